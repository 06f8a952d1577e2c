"""Keypoints that trade places in a mirror image."""

from __future__ import annotations

import re
from collections.abc import Sequence

OTHER_SIDE = (
    ("left", "right"),
    ("Left", "Right"),
    ("LEFT", "RIGHT"),
    (r"(?<![A-Za-z])l(?![A-Za-z])", "r"),
    (r"(?<![A-Za-z])L(?![A-Za-z])", "R"),
)
"""What stands for left in a name, and what stands there in that of the other side."""


def swaps_by_name(names: Sequence[str]) -> list[list[int]]:
    """Return the pairs of places whose names differ only by left and right, such as `left_eye` and `right_eye`.

    Example:
        >>> swaps_by_name(["nose", "left_eye", "right_eye", "ear_r", "ear_l"])
        [[1, 2], [3, 4]]
    """
    places = {name: place for place, name in enumerate(names)}
    pairs = []
    for place, name in enumerate(names):
        others = (re.sub(left, right, name) for left, right in OTHER_SIDE)
        other = next((places[mirrored] for mirrored in others if mirrored != name and mirrored in places), None)
        if other is not None:
            pairs.append(sorted((place, other)))
    return sorted(pairs)
