"""Geometry of pairs of boxes, from which the losses of the IoU family are made."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.losses.targets import raised


class BoxPair:
    """Two aligned lists of boxes (Q, 4) as x1, y1, x2, y2, and what can be said of each pair, (Q,) in fp32 at least.

    Nothing indexes by a mask or waits for the device. A box whose corners are swapped has no area. Values and
    gradients are finite for boxes without area, identical or disjoint, and for no boxes at all.

    Raises:
        ValueError: the shapes are not (Q, 4) both.
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        """Compute areas, intersection and enclosing box."""
        if first.shape != second.shape or first.dim() != 2 or first.shape[1] != 4:
            raise ValueError(f"boxes must be (Q, 4) in both, got {tuple(first.shape)} and {tuple(second.shape)}")
        first, second = raised(first), raised(second)
        inner = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
        outer = torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])
        self.intersection = _area(*inner)
        self.union = _area(first[:, :2], first[:, 2:]) + _area(second[:, :2], second[:, 2:]) - self.intersection
        self.enclosing = _area(*outer)

    @property
    def iou(self) -> Tensor:
        """Intersection over union, 0 where neither box has an area."""
        return _share(self.intersection, self.union)

    @property
    def giou(self) -> Tensor:
        """IoU less the share of the enclosing box that neither covers, in -1..1 (arXiv:1902.09630, algorithm 1)."""
        return self.iou - _share(self.enclosing - self.union, self.enclosing)


def _area(low: Tensor, high: Tensor) -> Tensor:
    # width * height rather than prod, whose backward waits for the device.
    width, height = (high - low).clamp(min=0).unbind(1)
    return width * height


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part / whole.clamp(min=1e-7)
