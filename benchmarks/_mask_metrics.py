"""Rows of distances between the outlines of masks."""

from __future__ import annotations

from _class_metrics import Pair, pixel_ids
from _measure import Step
from _rows import Group, Row, ours
from _scenes import CLASSES

SET = "hausdorff+hd95+nsd"


def monai_surfaces(pair: Pair) -> Step:
    """Make the three calls of MONAI on one-hot masks, which are there already."""
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    from torch.nn.functional import one_hot

    pred, true = (one_hot(ids, CLASSES).movedim(-1, 1) for ids in pair)

    def step() -> None:
        compute_hausdorff_distance(pred, true, include_background=True)
        compute_hausdorff_distance(pred, true, include_background=True, percentile=95)
        compute_surface_dice(pred, true, [1.0] * CLASSES, include_background=True)

    return step


GROUPS = [
    Group(
        "Hausdorff distance, its 95th percentile and surface Dice of 168 pairs of masks, ids [8, 256, 256]",
        pixel_ids,
        [
            Row("MONAI", "three calls", monai_surfaces),
            Row(
                "dltools",
                "three metrics",
                ours(SET, num_classes=CLASSES, include_background=True),
                {"MONAI three calls": 0.35},
            ),
        ],
        rounds=7,
    ),
]
