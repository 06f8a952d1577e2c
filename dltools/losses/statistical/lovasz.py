"""The Lovasz losses: the convex extension of the Jaccard loss, over softmax and as a hinge."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.distutils import sum_over_ranks
from dltools.losses.base import Elements, weighted
from dltools.losses.precision import raised
from dltools.losses.readings import IdScores, LabelScores, SoftScores
from dltools.losses.regions import Absent, PerClassLoss, Pool, ratio
from dltools.losses.scores import Scores, flat
from dltools.losses.softmax import count_ids
from dltools.losses.statistical.jaccard_weights import binned_weights, bins_of, sorted_weights
from dltools.losses.statistical.lovasz_softmax import lovasz_softmax
from dltools.mode import Mode


@component("loss", "lovasz")
class LovaszLoss(PerClassLoss):
    """Lovasz extension of the Jaccard loss, 1 - IoU: the error of each place times what it adds to that loss.

    Berman et al. 2018, arXiv:1705.08790. Mode multiclass is Lovasz-Softmax with errors 1 - p of the true class and p of
    the others, range 0..1; the target must be class ids. Modes binary and multilabel are the Lovasz hinge with errors
    max(0, 1 - x (2 t - 1)) of the logits x, each channel by itself, range 0 and up; a label above one half counts as
    foreground. The mean runs over the regions, which are pairs of image and class. Shapes and errors: `ClassLoss`.

    In regions of 4096 places (hinge: 16384) and more, errors are not sorted but counted into bins, which is ten times
    as fast (hinge: three). The value is right to 1e-6 of the errors. The gradient differs by less than 2e-3 of its
    norm; by some percent for regions of a few dozen foreground places, and for a hinge whose logits are nearly the
    same everywhere.

        >>> LovaszLoss()(torch.tensor([[[9.0, -9.0], [-9.0, 9.0]]]), torch.tensor([[0, 1]])).item() < 1e-3
        True
    """

    exact: bool = False
    """Sort the errors of large regions too, instead of counting them into bins."""
    pool: Pool = Pool.image
    """Extend the Jaccard of each image, of the whole batch, or (global) of the batches of all ranks."""
    absent: Absent = Absent.skip
    """What a class counts that the truth lacks: skip, penalize (its mean probability), formula (its largest error)."""

    def __post_init__(self) -> None:
        """Check that the options go with each other."""
        super().__post_init__()
        if self.pool is Pool["global"]:
            if self.exact:
                raise FieldError("exact", "must be False with pool global: no rank sees the errors of the others")
            if self.absent is Absent.formula:
                raise FieldError("absent", "must be skip or penalize with pool global")

    def of_scores(self, scores: Scores) -> Elements:
        """Return the weighted losses of the regions and their weights, (N or 1, C or 1).

        Raises:
            ValueError: the target of mode multiclass is class probabilities.
        """
        if isinstance(scores, SoftScores):
            raise ValueError(f"lovasz needs class ids, got class probabilities of shape {tuple(scores.truth.shape)}")
        true, places = self._pooled(scores.shared(_areas))
        loss, counts, weights = self._extension(scores), places > 0, self.per_channel("class_weight", scores.channels)
        if self.absent is Absent.skip:
            counts = counts & (true > 0)
        elif self.absent is Absent.penalize:
            loss = torch.where(true > 0, loss, ratio(self._pooled(scores.sums.predicted[None])[0], places))
        else:
            loss = torch.where(true > 0, loss, self._largest(scores))
        weight = counts.to(loss.dtype)
        weight = weight if weights is None else weight * weights
        first = 0 if self.include_background else 1
        return weighted(loss[:, first:], weight[:, first:])

    def _extension(self, scores: Scores) -> Tensor:
        """Return the Lovasz extension of each region, (N or 1, C)."""
        pooled, over_ranks = self.pool is not Pool.image, self.pool is Pool["global"]
        bounded = self._mode is Mode.multiclass
        places = scores.logits.numel() // max(scores.channels * (1 if pooled else len(scores.logits)), 1)
        bins = 0 if self.exact else bins_of(places, bounded, over_ranks)
        if bins and isinstance(scores, IdScores) and not torch.compiler.is_compiling():
            logits, ids = flat(scores.logits, 2), flat(scores.truth, 1)
            valid = None if scores.valid is None else flat(scores.valid, 1)
            value = lovasz_softmax(logits, ids, valid, bins, pooled, over_ranks)
        else:
            error, foreground = (_in_regions(part, pooled) for part in scores.shared(_errors))
            with torch.no_grad():
                weight = (
                    binned_weights(error, foreground, bins, bounded, over_ranks)
                    if bins
                    else sorted_weights(error, foreground)
                )
            value = (error.relu() * weight).sum(1).view(-1, scores.channels)
        return sum_over_ranks(value) if over_ranks else value

    def _pooled(self, sums: Tensor) -> Tensor:
        if self.pool is Pool.image:
            return sums
        pooled = sums.sum(1, keepdim=True)
        return sum_over_ranks(pooled) if self.pool is Pool["global"] else pooled

    def _largest(self, scores: Scores) -> Tensor:
        error, _ = scores.shared(_errors)
        error = _in_regions(error, self.pool is not Pool.image).relu()
        return (error.amax(1) if error.shape[1] else error.sum(1)).view(-1, scores.channels)


def _areas(scores: Scores) -> Tensor:
    """Return the foreground places and the valid places of each image and channel, (2, N, C)."""
    if isinstance(scores, IdScores):
        valid = None if scores.valid is None else flat(scores.valid, 1)
        true = count_ids(flat(scores.truth, 1), valid, scores.channels)
        places = true.sum(1, keepdim=True).expand_as(true)
    else:
        foreground = flat(scores.truth > 0.5, 2)
        true = foreground.sum(2)
        places = torch.full_like(true, foreground.shape[2]) if scores.valid is None else flat(scores.valid, 2).sum(2)
    return torch.stack([true, places]).to(raised(scores.logits).dtype)


def _errors(scores: Scores) -> tuple[Tensor, Tensor]:
    """Return how wrong each place is and whether it is foreground, both (N, C, P); ignored places are below 0."""
    if isinstance(scores, LabelScores):
        foreground = scores.truth > 0.5
        error = 1 - torch.where(foreground, scores.masked_logits, -scores.masked_logits)
    else:
        foreground = scores.labels > 0.5
        error = torch.where(foreground, 1 - scores.probability, scores.probability)
        error = error if scores.counted is None else torch.where(scores.counted, error, -1)
    return flat(error, 2), flat(foreground, 2)


def _in_regions(values: Tensor, pooled: bool) -> Tensor:
    """View (N, C, P) as (N * C, P), or as (C, N * P) if the images are pooled."""
    return values.transpose(0, 1).flatten(1) if pooled else values.flatten(0, 1)
