"""Losses of the overlap of predicted and true regions: Dice and Jaccard, plain, squared and generalized."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.losses.base import Elements
from dltools.losses.regions import Absent, Average, RegionLoss, merged, ratio
from dltools.losses.scores import Sums


@component("loss", "dice")
class DiceLoss(RegionLoss):
    """Soft Dice loss: one minus twice the overlap over the sum of both areas.

    1 - (2 I + smooth) / (S + T + smooth), range 0..1. Milletari et al. 2016 (V-Net), arXiv:1606.04797, with the
    areas S and T instead of their squares. Shapes, options and errors: `RegionLoss`.

        >>> DiceLoss(mode="binary")(torch.tensor([[[9.0, -9.0]]]), torch.tensor([[[1, 0]]])).item() < 1e-3
        True
    """

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - (2 I + smooth) / (S + T + smooth)."""
        return 1 - ratio(2 * sums.overlap + self.smooth, sums.predicted + sums.true + self.smooth)


@component("loss", "sq_dice")
class SqDiceLoss(RegionLoss):
    """Dice loss with squares in the denominator, as V-Net has it.

    1 - (2 sum(p t) + smooth) / (sum p^2 + sum t^2 + smooth), range 0..1. Milletari et al. 2016, arXiv:1606.04797,
    section 3. Shapes, options and errors: `RegionLoss`.
    """

    needs_squares = True

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - (2 sum(p t) + smooth) / (sum p^2 + sum t^2 + smooth)."""
        return 1 - ratio(2 * sums.product + self.smooth, sums.predicted_squares + sums.true_squares + self.smooth)


@component("loss", "jaccard")
class JaccardLoss(RegionLoss):
    """Soft IoU loss: one minus the overlap over the union.

    1 - (I + smooth) / (S + T - I + smooth), range 0..1. Rahman and Wang 2016, "Optimizing Intersection-Over-Union in
    Deep Neural Networks for Image Segmentation". Shapes, options and errors: `RegionLoss`.
    """

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - (I + smooth) / (S + T - I + smooth)."""
        union = sums.predicted + sums.true - sums.overlap
        return 1 - ratio(sums.overlap + self.smooth, union + self.smooth)


@component("loss", "sq_jaccard")
class SqJaccardLoss(RegionLoss):
    """Soft IoU loss with squared areas, the Tanimoto form.

    1 - (sum(p t) + smooth) / (sum p^2 + sum t^2 - sum(p t) + smooth), range 0..1. Diakogiannis et al. 2020 (ResUNet-a),
    arXiv:1904.00592, eq. 2. Shapes, options and errors: `RegionLoss`.
    """

    needs_squares = True

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - (sum(p t) + smooth) / (sum p^2 + sum t^2 - sum(p t) + smooth)."""
        union = sums.predicted_squares + sums.true_squares - sums.product
        return 1 - ratio(sums.product + self.smooth, union + self.smooth)


class Rarity(str, Enum):
    """How strongly rare classes count more."""

    square = "square"
    """By 1 / T^2."""
    simple = "simple"
    """By 1 / T."""
    uniform = "uniform"
    """Not at all."""


@component("loss", "gdice")
class GDiceLoss(RegionLoss):
    """Generalized Dice loss: one ratio over all classes, in which rare ones weigh more.

    1 - (2 sum_c w_c I_c + smooth) / (sum_c w_c (S_c + T_c) + smooth) with w_c = 1 / T_c^2, scaled so that the weights
    of a region sum to 1; range 0..1. Absent classes weigh nothing (`absent=skip`) or as much as the rarest present one
    (`absent=penalize`). Sudre et al. 2017, arXiv:1707.03237, section 2.1. Shapes and errors: `RegionLoss`.
    """

    rarity: Rarity = Rarity.square
    """How strongly rare classes weigh more: square, simple or uniform."""

    def __post_init__(self) -> None:
        """Refuse the options of other region losses that have no meaning here."""
        super().__post_init__()
        if self.average is Average.micro:
            raise FieldError("average", "must be macro: gdice is one ratio over all classes anyway")
        if self.absent is Absent.formula:
            raise FieldError("absent", "must be skip or penalize: the weight of an absent class is infinite")

    def of_sums(self, sums: Sums, weights: Tensor | None) -> Elements:
        """Return the loss of each image and 1, or 0 where it counts nothing."""
        power = {Rarity.square: 2, Rarity.simple: 1, Rarity.uniform: 0}[self.rarity]
        present = sums.true > 0
        rarity = torch.where(present, sums.true.where(present, 1) ** -power, 0)
        if self.absent is Absent.penalize:
            rarest = rarity.amax(1, keepdim=True)
            rarity = torch.where(present, rarity, rarest.where(rarest > 0, 1))
        rarity = rarity if weights is None else rarity * weights
        rarity = ratio(rarity, rarity.sum(1, keepdim=True))
        whole = merged(sums, rarity)
        value = 1 - ratio(2 * whole.overlap + self.smooth, whole.predicted + whole.true + self.smooth)
        counts = ((rarity > 0) & (sums.places > 0)).any(1, keepdim=True).to(value.dtype)
        return Elements(value * counts, counts)
