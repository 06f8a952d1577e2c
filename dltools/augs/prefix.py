"""What of a pipeline is the same in every epoch: its first transforms, as long as they leave nothing to chance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import albumentations as A

FIXED = (
    A.CenterCrop,
    A.Crop,
    A.Equalize,
    A.HorizontalFlip,
    A.InvertImg,
    A.LongestMaxSize,
    A.NoOp,
    A.Pad,
    A.PadIfNeeded,
    A.Resize,
    A.SmallestMaxSize,
    A.ToGray,
    A.ToRGB,
    A.ToSepia,
    A.Transpose,
    A.VerticalFlip,
)
"""Transforms that do the same to every image if they are always applied, and none of their fields is a choice."""


def prefix_of(transforms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transforms before the first whose result is not a function of the sample alone."""
    return dict(takewhile(lambda item: is_fixed(item[1]), transforms.items()))


def is_fixed(transform: Any) -> bool:
    """Tell whether the result of a transform is a function of the sample alone; False where that is not known."""
    if isinstance(transform, A.Sequential):
        return transform.p == 1 and all(map(is_fixed, transform.transforms))
    choices = [getattr(transform, name, None) for name in ("position", "pad_position", "max_size")]
    chosen = any(choice == "random" or isinstance(choice, list | tuple) for choice in choices)
    return type(transform) in FIXED and transform.p == 1 and not chosen
