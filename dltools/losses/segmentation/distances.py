"""Distances to the regions of a batch, and the base of losses that measure how far regions are from each other.

Distances are taken on the CPU by `utils`; on another device that waits for the batch, which is why the data pipeline
can make the maps of the truth beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltools.cfgutils import FieldError
from dltools.losses.base import Elements, weighted
from dltools.losses.readings import LabelScores, SoftScores
from dltools.losses.regions import Absent, PerClassLoss, ratio
from dltools.losses.scores import Scores
from dltools.losses.segmentation.utils import diagonal, signed_distances, spacing_of, unsigned_distances


@dataclass(kw_only=True, eq=False, repr=False)
class DistanceLoss(PerClassLoss):
    """Base of losses of the distance between predicted and true regions: a subclass says what each region costs.

    A region is a class in an image: where its class id stands, or its label is above 0.5. Class probabilities as
    target are refused. Places that are ignored are of no class when distances are taken, and add nothing themselves.
    The mean runs over images and classes, weighted by `class_weight`. Other shapes and errors: `ClassLoss`.
    """

    def costs(self, scores: Scores, truth: Regions) -> tuple[Tensor, Tensor]:
        """Return the mean loss of each region (N, C), and how much of it there is, which broadcasts to that."""
        raise NotImplementedError

    def of_scores(self, scores: Scores) -> Elements:
        """Return the weighted losses of the regions and their weights, (N, C)."""
        if scores.logits.dim() < 3:
            raise ValueError(f"distances need a spatial dimension, got logits {tuple(scores.logits.shape)}")
        truth = scores.shared(true_regions)
        loss, amount = self.costs(scores, truth)
        present, places = truth.sizes > 0, places_of(scores)
        counts = (places > 0).expand_as(loss)
        if self.absent is Absent.skip:
            counts = counts & present
        elif self.absent is Absent.penalize:
            loss = torch.where(present, loss, ratio(scores.sums.predicted, places))
        amount = torch.where(counts, amount.to(loss.dtype), 0)
        weights = self.per_channel("class_weight", scores.channels)
        first = 0 if self.include_background else 1
        return weighted(loss[:, first:], (amount if weights is None else amount * weights)[:, first:])


class Regions:
    """The regions of a batch, one for each of N images and C channels.

    Args:
        ids: (M, *spatial) int64, which of `classes` regions holds at a place, -1 for none; M * classes = N * C.
        classes: number of regions that one map of ids tells apart.
        channels: C.
    """

    def __init__(self, ids: Tensor, classes: int, channels: int) -> None:
        self.ids = ids
        self.classes = classes
        self.channels = channels
        flat = ids.flatten(1)
        sizes = flat.new_zeros(len(flat), classes + 1).scatter_add(1, flat + 1, torch.ones_like(flat))
        self.sizes = sizes[:, 1:].reshape(self._images, channels)
        """Number of places of each region, (N, C)."""

    @property
    def has_border(self) -> Tensor:
        """Whether each region is neither empty nor fills the image, (N, C)."""
        return (self.sizes > 0) & (self.sizes < math.prod(self.ids.shape[1:]))

    @property
    def masks(self) -> Tensor:
        """Where each region is, (N, C, *spatial) uint8 of 0 and 1."""
        masks = self.ids.new_zeros((len(self.ids), self.classes + 1, *self.ids.shape[1:]), dtype=torch.uint8)
        return self._shaped(masks.scatter_(1, (self.ids + 1).unsqueeze(1), 1)[:, 1:].contiguous())

    def only(self, places: Tensor) -> Regions:
        """Return the regions at the marked places (M, *spatial) only."""
        return Regions(self.ids.where(places, -1), self.classes, self.channels)

    def spacing(self, given: list[float] | None) -> tuple[float, ...]:
        """Return the size of a place in each dimension, 1 where None is given."""
        return spacing_of(self.ids.dim() - 1, given)

    def diagonal(self, spacing: list[float] | None) -> float:
        """Return the length of the diagonal of an image."""
        return diagonal(self.ids.shape[1:], self.spacing(spacing))

    def signed(self, spacing: list[float] | None) -> Tensor:
        """Return the signed distance to the border of each region, (N, C, *spatial) fp32."""
        return self._shaped(torch.ops.dltools.signed_distances(self.ids, self.classes, self.spacing(spacing)))

    def unsigned(self, spacing: list[float] | None) -> Tensor:
        """Return the distance to each region, (N, C, *spatial) fp32; the diagonal of the image to an empty one."""
        return self._shaped(torch.ops.dltools.unsigned_distances(self.ids, self.classes, self.spacing(spacing)))

    def _shaped(self, maps: Tensor) -> Tensor:
        return maps.view(self._images, self.channels, *self.ids.shape[1:])

    @property
    def _images(self) -> int:
        return len(self.ids) * self.classes // self.channels


def total(values: Tensor) -> Tensor:
    """Return the sum over the places of (N, C, *spatial)."""
    return values.flatten(2).sum(2)


def places_of(scores: Scores) -> Tensor:
    """Return the number of valid places, (N, 1) or (N, C), in fp32 at least."""
    dtype = torch.promote_types(scores.logits.dtype, torch.float32)
    if scores.counted is None:
        return scores.logits.new_full((len(scores.logits), 1), math.prod(scores.logits.shape[2:]), dtype=dtype)
    return scores.counted.flatten(2).sum(2).to(dtype)


def true_regions(scores: Scores) -> Regions:
    """Return the regions of the truth.

    Raises:
        ValueError: the truth has class probabilities, which are of no one class.
    """
    if isinstance(scores, SoftScores):
        raise ValueError(f"distances need class ids (N, *spatial), got class probabilities {tuple(scores.truth.shape)}")
    if isinstance(scores, LabelScores):
        return _of_masks(scores.truth > 0.5)
    ids = scores.truth if scores.valid is None else scores.truth.where(scores.valid, -1)
    return Regions(ids, scores.channels, scores.channels)


def predicted_regions(scores: Scores) -> Regions:
    """Return the regions where the probability is above 0.5; over a softmax they are disjoint."""
    probability = scores.probability.detach()
    if isinstance(scores, LabelScores):
        return _of_masks(probability > 0.5)
    highest, ids = probability.max(1)
    return Regions(ids.where(highest > 0.5, -1), scores.channels, scores.channels)


@dataclass(frozen=True)
class SignedDistances:
    """The statistic "signed distances of the truth", of the pipeline if it made them."""

    spacing: tuple[float, ...] | None

    @classmethod
    def of(cls, spacing: list[float] | None) -> SignedDistances:
        """Return the statistic for a spacing."""
        return cls(None if spacing is None else tuple(spacing))

    def __call__(self, scores: Scores) -> Tensor:
        """Return (N, C, *spatial), in the dtype in which they were made.

        Raises:
            ValueError: the pipeline's maps do not have the shape of the input.
            FieldError: the pipeline's maps have another spacing.
        """
        maps = scores.distance_maps
        if maps is None:
            return scores.shared(true_regions).signed(None if self.spacing is None else list(self.spacing))
        if maps.shape != scores.logits.shape:
            expected, given = tuple(scores.logits.shape), tuple(maps.shape)
            raise ValueError(f"distance_maps must have the shape of the input, {expected}, got {given}")
        if self.spacing is not None:
            raise FieldError("spacing", "must be None where distance maps are given, which have their own")
        return maps


def _of_masks(masks: Tensor) -> Regions:
    """Return regions that may overlap, (N, C, *spatial) boolean, each as the one region of an image of its own."""
    return Regions(masks.flatten(0, 1).long() - 1, 1, masks.shape[1])


def _on_cpu(make: Callable[..., NDArray[Any]], ids: Tensor, classes: int, spacing: list[float]) -> Tensor:
    maps = np.empty((len(ids), classes, *ids.shape[1:]), np.float32)
    for one, image in zip(maps, ids.cpu().numpy(), strict=True):
        one[...] = make(image, classes, spacing)
    return torch.from_numpy(maps).to(ids.device)


_SCHEMA = "(Tensor ids, int classes, float[] spacing) -> Tensor"


def _as_operator(name: str, make: Callable[..., NDArray[Any]]) -> None:
    """Make one opaque operator for torch of what numpy does, so that torch.compile need not look into it."""

    @torch.library.custom_op(f"dltools::{name}", mutates_args=(), schema=_SCHEMA)
    def operator(ids: Tensor, classes: int, spacing: list[float]) -> Tensor:
        return _on_cpu(make, ids, classes, spacing)

    operator.register_fake(
        lambda ids, classes, spacing: ids.new_empty((len(ids), classes, *ids.shape[1:]), dtype=torch.float32)
    )


_as_operator("signed_distances", signed_distances)
_as_operator("unsigned_distances", unsigned_distances)
