"""Geometry of pairs of boxes, and the base of the losses that are made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.losses.base import Elements, Loss
from dltools.losses.precision import raised

EPS = 1e-7
"""Lengths, in pixels, and ratios are not divided by less; areas and squares not by less than its square."""


@dataclass(kw_only=True, eq=False, repr=False)
class BoxLoss(Loss):
    """Base of the losses of aligned boxes: a subclass is its formula over the shared geometry.

    Input and target (Q, 4) boxes as x1, y1, x2, y2 in pixels, of any floating dtype; Q may be 0, and then the loss
    is 0. Each pair counts 1. A box whose corners are swapped has no area. Raises ValueError for other shapes.
    """

    kind: ClassVar[str] = "boxes"

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the loss of each pair (Q,)."""
        return Elements(self.cost(BoxPair(input, target)))

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        raise NotImplementedError


class BoxPair:
    """Two aligned lists of boxes (Q, 4) as x1, y1, x2, y2, and what can be said of each pair, in fp32 at least.

    Nothing indexes by a mask or waits for the device. Values and gradients are finite for boxes without area,
    inverted, identical or disjoint, and for no boxes at all.

    Attributes:
        sides: width and height (Q, 2) of the first and of the second, negative where corners are swapped.
        offset: (Q, 2) from the centre of the second to that of the first.
        hull: width and height (Q, 2) of the smallest box around all corners of both.
        intersection: area (Q,) that both cover.
        union: area (Q,) that either covers.

    Raises:
        ValueError: the shapes are not (Q, 4) both.
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        if first.shape != second.shape or first.dim() != 2 or first.shape[1] != 4:
            raise ValueError(f"boxes must be (Q, 4) in both, got {tuple(first.shape)} and {tuple(second.shape)}")
        first, second = raised(first), raised(second)
        (low, high), (other_low, other_high) = first.split(2, dim=1), second.split(2, dim=1)
        self.sides = high - low, other_high - other_low
        self.offset = (low - other_low + high - other_high) / 2
        least = torch.minimum(torch.minimum(low, high), torch.minimum(other_low, other_high))
        most = torch.maximum(torch.maximum(low, high), torch.maximum(other_low, other_high))
        self.hull = most - least
        self.intersection = _area(torch.minimum(high, other_high) - torch.maximum(low, other_low))
        self.union = _area(self.sides[0]) + _area(self.sides[1]) - self.intersection

    @property
    def iou(self) -> Tensor:
        """Intersection over union (Q,), 0 where neither box has an area."""
        return share(self.intersection, self.union, EPS**2)

    @property
    def gap(self) -> Tensor:
        """Share (Q,) of the hull that neither box covers, in 0..1."""
        hull = _area(self.hull)
        return share((hull - self.union).clamp(min=0), hull, EPS**2)

    @property
    def distance(self) -> Tensor:
        """Squared distance (Q,) of the centres over the squared diagonal of the hull, in 0..1."""
        return share(self.offset.square().sum(1), self.hull.square().sum(1), EPS**2)

    @property
    def extents(self) -> tuple[Tensor, Tensor]:
        """The sides, at least EPS each."""
        return self.sides[0].clamp(min=EPS), self.sides[1].clamp(min=EPS)

    @property
    def aspect(self) -> Tensor:
        """How different the shapes are (Q,): the v of CIoU, in 0..1, times its weight, through which none flows back.

        Zheng et al. 2020, arXiv:1911.08287, eq. 9 to 11. The angle is that of (width, height), which has a gradient
        for boxes without height. The weight counts for any overlap; some programs set it to 0 below an IoU of 0.5.
        """
        (width, height), (other_width, other_height) = (sides.unbind(1) for sides in self.extents)
        angle = torch.atan2(width, height) - torch.atan2(other_width, other_height)
        v = 4 / math.pi**2 * angle.square()
        with torch.no_grad():
            weight = share(v, 1 - self.iou + v, EPS)
        return weight * v


def share(part: Tensor, whole: Tensor, least: float = EPS) -> Tensor:
    """Return part / whole; 0 without a gradient where the whole is not more than `least`."""
    some = whole > least
    return torch.where(some, part / torch.where(some, whole, 1), 0)


def power(base: Tensor, exponent: float) -> Tensor:
    """Return base^exponent for a base of 0 and up; below EPS a straight line, whose slope is always finite."""
    line = base * EPS ** (exponent - 1)
    return torch.where(base > EPS, base.clamp(min=EPS) ** exponent, line)


def _area(sides: Tensor) -> Tensor:
    # width * height rather than prod, whose backward waits for the device.
    width, height = sides.clamp(min=0).unbind(1)
    return width * height
