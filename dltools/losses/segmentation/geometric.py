"""Losses of the geometry of regions: how far predicted regions and their edges lie from true borders."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import FieldError, PositiveFloat, PositiveInt, component
from dltools.losses.regions import ratio
from dltools.losses.scores import Scores
from dltools.losses.segmentation.distances import (
    DistanceLoss,
    Regions,
    SignedDistances,
    places_of,
    predicted_regions,
    total,
)
from dltools.losses.segmentation.moments import sum_of_products
from dltools.losses.segmentation.windows import check_window, edges_of, soft_edges


class Normalize(str, Enum):
    """What distances are divided by."""

    none = "none"
    """Nothing: they are in places, or in the unit of the spacing."""
    diagonal = "diagonal"
    """The diagonal of the image."""
    max = "max"
    """The largest distance of each map."""


@component("loss", "surface")
class SurfaceLoss(DistanceLoss):
    """Surface loss: the mean over the places of the probability times the signed distance to the true border.

    mean_x phi(x) p(x), with phi negative inside of the true region, 0 along its border and positive outside. It is
    negative where the prediction is good, has no lower bound but that of its maps, and on its own it is content with
    an empty prediction: add it to a region loss, with a small weight that grows (`ramp.shape=linear ramp.start=0.01`).
    Kervadec et al. 2019, arXiv:1812.07032, eq. 5.

    The maps are taken from the third argument `distance_maps` (N, C, *spatial), which the data pipeline makes with
    `data.distance_maps=true`, else they are made here, from a class' places to its border (`utils.signed_distances`).
    A class that the image does not have, and one that fills it, has a map of zeros; `absent=skip` leaves the first out
    of the mean, `formula` counts its zeros as Kervadec does, `penalize` counts its mean probability.
    Other shapes, options and errors: `DistanceLoss`.
    """

    reads_distance_maps: ClassVar[bool] = True
    is_nonnegative: ClassVar[bool] = False

    normalize: Normalize = Normalize.none
    """Divide the distances by nothing, by the diagonal of the image, or by the largest of each map."""
    spacing: list[float] | None = None
    """Size of a place in each spatial dimension, where the maps are made here; None is 1."""

    def costs(self, scores: Scores, truth: Regions) -> tuple[Tensor, Tensor]:
        """Return the mean over the valid places of phi * p, (N, C), and the number of these places."""
        maps = scores.shared(SignedDistances.of(self.spacing))
        places = places_of(scores)
        mean = ratio(sum_of_products(scores, maps), places)
        if self.normalize is Normalize.diagonal:
            mean = mean / truth.diagonal(self.spacing)
        elif self.normalize is Normalize.max:
            mean = ratio(mean, maps.flatten(2).abs().amax(2).to(mean.dtype))
        return mean, places


class Source(str, Enum):
    """What of the prediction is measured."""

    edge = "edge"
    """Its soft edge."""
    prob = "prob"
    """Its probability."""


@component("loss", "surface2edge")
class Surface2EdgeLoss(DistanceLoss):
    """Distance from the predicted surface to the true edge, averaged softly.

    sum_x e(x) min(D(x), tau)^alpha / sum_x e(x), range 0 and up: e = max(1 - p) - (1 - p) over a window of side
    `theta0` is the soft edge of the prediction, D the distance to the edge of the truth found likewise, without
    gradient. It is 0 where the edges coincide, and also where there is no predicted edge: add it to a region loss, or
    set `symmetric`, which adds sum_x g(x) (1 - e(x)) min(D_p(x), tau)^alpha / sum_x g(x), with g the true edge and D_p
    the distance to the edge of where p > 0.5. With hard predictions the two are the directed average surface distances.

    The definition is dltools' own, of three parts: the soft edge of Bokhovkin and Burnaev 2019, arXiv:1905.07852,
    eq. 1; the distance to the true boundary that Kervadec et al. 2019, arXiv:1812.07032, eq. 2 integrate; and the
    truncated distances of Wang et al. 2021, arXiv:2102.02696, D_p detached as Karimi and Salcudean 2019,
    arXiv:1904.10030, do. The distances are always taken here, since the pipeline's are to borders of regions.

    A class that the image does not have counts as `absent` says; one that fills it has no edge and counts nothing.
    Shapes, options and errors: `DistanceLoss`.
    """

    source: Source = Source.edge
    """Measure the soft edge of the prediction, or its probability: where e is p."""
    symmetric: bool = False
    """Add the distance from the true edge to the predicted one."""
    theta0: PositiveInt = 3
    """Side of the window that edges are found with, odd and 3 at least."""
    tau: PositiveFloat | None = 20.0
    """Distances count up to this; None counts them whole."""
    alpha: PositiveFloat = 1.0
    """Exponent of the distances."""
    spacing: list[float] | None = None
    """Size of a place in each spatial dimension; None is 1."""

    def __post_init__(self) -> None:
        """Check that the window has a middle, and that there is an edge to measure from."""
        super().__post_init__()
        check_window("theta0", self.theta0, 3)
        if self.symmetric and self.source is Source.prob:
            raise FieldError("symmetric", "must be False with source=prob, which has no edge")

    def costs(self, scores: Scores, truth: Regions) -> tuple[Tensor, Tensor]:
        """Return the mean distance of each region, (N, C), and 1 for those with an edge or none at all, else 0."""
        surface = scores.probability if self.source is Source.prob else soft_edges(scores.probability, self.theta0)
        edge = self._edge_of(truth)
        loss = ratio(total(surface * self._powers(edge, surface)), total(surface))
        if self.symmetric:
            reached = edge.masks.to(surface.dtype)
            back = reached * (1 - surface) * self._powers(self._edge_of(predicted_regions(scores)), surface)
            loss = loss + ratio(total(back), total(reached))
        return loss, edge.has_border | (truth.sizes == 0)

    def _edge_of(self, regions: Regions) -> Regions:
        return regions.only(edges_of(regions.ids, self.theta0))

    def _powers(self, edge: Regions, like: Tensor) -> Tensor:
        distances = edge.unsigned(self.spacing).to(like.dtype)
        return (distances if self.tau is None else distances.clamp(max=self.tau)) ** self.alpha
