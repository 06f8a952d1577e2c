"""Checks of one sample: each yields what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.data.doctor.facts import About
from dltools.data.doctor.findings import Kind
from dltools.data.statistics.facts import IGNORED, Facts

Fault = tuple[Kind, str]
SLACK = 0.5
"""Pixels by which a box or keypoint may reach out of its image, as tools round."""
WITH_BOXES = ("labels", "keypoints", "iscrowd", "area")
"""Keys that have a row for each box."""


def of_image(sample: Facts, about: About) -> Iterator[Fault]:
    """Check channels and pixels."""
    image = sample.image
    if image.shape[2] != about.in_channels:
        yield (
            Kind.channels,
            f"its image has {image.shape[2]} channels, but in_channels of the data set is {about.in_channels}",
        )
    wrong = int((~np.isfinite(image)).sum()) if image.dtype.kind == "f" else 0
    if wrong:
        yield Kind.not_finite, f"its image has {wrong:,} values that are NaN or infinite; all must be finite"
    if is_blank(image):
        yield Kind.blank, f"all {image.shape[0] * image.shape[1]:,} pixels are {image[0, 0].tolist()}"


def of_mask(sample: Facts, about: About) -> Iterator[Fault]:
    """Check size and content of the mask; its ids are checked where they are counted."""
    if "mask" not in sample:
        return
    counts = sample.mask_counts
    size, expected = sample["mask"].shape, sample.image.shape[:2]
    if size != expected:
        yield (
            Kind.size,
            f"its mask is {_size(size)} pixels and its image {_size(expected)}; they must be of one size",
        )
    if counts[1:IGNORED].any():
        return
    if not counts[IGNORED]:
        yield Kind.empty_mask, f"its mask is {about.mask_names[0]!r} everywhere"
    elif not counts[0]:
        yield Kind.empty_mask, f"its mask is {IGNORED} everywhere, which is ignored"
    else:
        yield Kind.empty_mask, f"its mask is {about.mask_names[0]!r} or ignored everywhere"


def of_rows(sample: Facts, about: About) -> Iterator[Fault]:
    """Check that each box has what belongs to it."""
    if "boxes" not in sample:
        return
    count = len(sample.boxes)
    for key in WITH_BOXES:
        if key in sample and len(sample[key]) != count:
            yield Kind.form, f"boxes and {key} must have a row for each object, got {count} and {len(sample[key])}"


def of_boxes(sample: Facts, about: About) -> Iterator[Fault]:
    """Check that boxes are finite, and cover something of the image and nothing else."""
    if "boxes" not in sample:
        return
    boxes, (height, width) = sample.boxes, sample.image.shape[:2]
    finite = np.isfinite(boxes).all(axis=1)
    cut = boxes.clip(0, [width, height, width, height])
    empty = finite & (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    outside = finite & ~empty & (cut[:, 2:] <= cut[:, :2]).any(axis=1)
    partly = finite & ~empty & ~outside & (np.abs(boxes - cut) > SLACK).any(axis=1)
    of = f"the image of {width} x {height} pixels"
    for kind, wrong, what in (
        (Kind.not_finite, ~finite, "must be four finite numbers"),
        (Kind.box, empty, "is empty; x1 must be below x2, and y1 below y2"),
        (Kind.box, outside, f"lies outside of {of}"),
        (Kind.box_partly, partly, f"reaches out of {of}"),
    ):
        yield from _rows(kind, "box", wrong, boxes, f"{what}; boxes are x1, y1, x2, y2")


def of_keypoints(sample: Facts, about: About) -> Iterator[Fault]:
    """Check that the keypoints that are there are finite and in the image."""
    keypoints = np.asarray(sample.get("keypoints", np.zeros((0, 0, 3))), np.float64)
    if keypoints.shape[1:] != (len(about.keypoint_names), 3):
        return  # told where they are counted
    height, width = sample.image.shape[:2]
    points = keypoints.reshape(-1, 3)
    finite = np.isfinite(points).all(axis=1)
    there = finite & (points[:, 2] > 0)
    outside = (points[:, :2] < -SLACK) | (points[:, :2] > np.array([width, height]) + SLACK)
    faults: tuple[tuple[Kind, Any, str], ...] = (
        (Kind.not_finite, ~finite, "must be three finite numbers x, y, visibility"),
        (
            Kind.keypoint_outside,
            there & outside.any(axis=1),
            f"lies outside of the image of {width} x {height} pixels; its visibility must be 0 if it is not there",
        ),
    )
    for kind, wrong, what in faults:
        for number, name in enumerate(about.keypoint_names):
            rows = slice(number, None, len(about.keypoint_names))
            yield from _rows(kind, f"keypoint {name!r} of object", wrong[rows], points[rows], what)


CHECKS: tuple[Callable[[Facts, About], Iterator[Fault]], ...] = (of_image, of_mask, of_rows, of_boxes, of_keypoints)


def is_blank(image: NDArray[np.generic]) -> bool:
    """Return whether all pixels (H, W, C) are the same, mostly by the first row alone."""
    return bool((image[0] == image[0, 0]).all() and (image == image[0, 0]).all())


def _rows(kind: Kind, name: str, wrong: Any, rows: NDArray[np.float64], what: str) -> Iterator[Fault]:
    """Yield one fault of all wrong rows: it tells of the first, and how many there are."""
    places = np.flatnonzero(wrong)
    if len(places):
        numbers = ", ".join(f"{value:g}" for value in rows[places[0]])
        more = f" ({len(places)} of {len(rows)} are so)" if len(places) > 1 else ""
        yield kind, f"{name} {places[0]}, [{numbers}], {what}{more}"


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
