"""Losses of the boundary: how far apart predicted and true regions are, and how well their edges are found."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from dltools.cfgutils import PositiveInt, component
from dltools.losses.regions import Absent, ratio
from dltools.losses.scores import Scores
from dltools.losses.segmentation.distances import (
    DistanceLoss,
    Regions,
    SignedDistances,
    places_of,
    predicted_regions,
    total,
)
from dltools.losses.segmentation.windows import check_window, edges_of, soft_edges, window_max


@component("loss", "hausdorff")
class HausdorffLoss(DistanceLoss):
    """Hausdorff loss by distance transforms: wrong places cost by how far they lie from both borders.

    mean_x (p - t)^2 (d_p^alpha + d_t^alpha), range 0 and up, with d the distance of each place to what is on the other
    side of the border of the predicted (p > 0.5) and of the true region; d has no gradient. A region that is empty or
    fills the image has no border: it counts as far as the diagonal of the image, and nothing where prediction and truth
    are so alike; an empty prediction of a full image, and a full one of an empty image, are the largest loss. It grows
    as d^alpha: give it a small weight. Karimi and Salcudean 2019, arXiv:1904.10030, the form with distance transforms.

    The distances of the truth are taken from the third argument `distance_maps` (N, C, *spatial) if the data pipeline
    made it. Shapes, options and errors: `DistanceLoss`.
    """

    reads_distance_maps: ClassVar[bool] = True

    absent: Absent = Absent.formula
    """What a class counts that the truth of the image does not have: skip, penalize or formula."""
    alpha: Annotated[float, Interval(gt=0, le=8)] = 2.0
    """Exponent of the distances."""
    spacing: list[float] | None = None
    """Size of a place in each spatial dimension, where the maps are made here; None is 1."""

    def costs(self, scores: Scores, truth: Regions) -> tuple[Tensor, Tensor]:
        """Return the mean over the valid places, (N, C), and the number of these places."""
        predicted, places = predicted_regions(scores), places_of(scores)
        wrong = scores.probability - scores.labels
        both = self._powers(truth, scores.shared(SignedDistances.of(self.spacing)), predicted)
        both = both + self._powers(predicted, predicted.signed(self.spacing), truth)
        return ratio(total(wrong.square() * both.to(wrong.dtype)), places), places

    def _powers(self, regions: Regions, signed: Tensor, others: Regions) -> Tensor:
        """Return the distances to the border to the power of alpha, (N, C, *spatial)."""
        least, farthest = min(regions.spacing(self.spacing)), regions.diagonal(self.spacing)
        # Outside of a region its signed distance is the greater one, inside of it the other.
        signed = signed.float()
        powers = torch.maximum(signed, least - signed) ** self.alpha
        alike = ~others.has_border & ((regions.sizes > 0) == (others.sizes > 0))
        without = torch.where(alike, 0.0, farthest**self.alpha)
        shape = (*regions.sizes.shape, *[1] * (signed.dim() - 2))
        return torch.where(regions.has_border.view(shape), powers, without.view(shape))


@component("loss", "boundary")
class BoundaryLoss(DistanceLoss):
    """Boundary loss: one minus the F1 score of the soft edges, which may lie a little off.

    With the edges e = max(1 - p) - (1 - p) over a window of side `theta0`, those of the truth g likewise, and both
    widened, E and G, by their maximum over a window of side `theta`: precision P = sum(e G) / sum(e), recall
    R = sum(g E) / sum(g), and the loss is 1 - 2 P R / (P + R), range 0..1. Where there is no predicted edge, the loss
    is 1 without gradient: add it to a region loss. Bokhovkin and Burnaev 2019, arXiv:1905.07852, eq. 1 to 5.

    A class that the image does not have counts as `absent` says; one that fills it has no edge and counts nothing.
    Shapes, options and errors: `DistanceLoss`.
    """

    theta0: PositiveInt = 3
    """Side of the window that edges are found with, odd and 3 at least."""
    theta: PositiveInt = 5
    """Side of the window within which edges meet, odd."""

    def __post_init__(self) -> None:
        """Check that windows have a middle."""
        super().__post_init__()
        check_window("theta0", self.theta0, 3)
        check_window("theta", self.theta, 1)

    def costs(self, scores: Scores, truth: Regions) -> tuple[Tensor, Tensor]:
        """Return 1 - F1 of each region, (N, C), and 1 for those with an edge or none at all, else 0."""
        edges = soft_edges(scores.probability, self.theta0)
        masks = truth.only(edges_of(truth.ids, self.theta0)).masks
        near, true_edges = (mask.to(edges.dtype) for mask in (window_max(masks, self.theta), masks))
        precision = ratio(total(edges * near), total(edges))
        count = total(true_edges)
        recall = ratio(total(true_edges * window_max(edges, self.theta)), count)
        f1 = ratio(2 * precision * recall, precision + recall)
        return 1 - f1, (count > 0) | (truth.sizes == 0)
