"""The likelihood of points under a distribution that is learned with the model."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import PositiveFloat, PositiveInt, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.keypoints.flow import PlaneFlow
from dltools.losses.keypoints.joints import point_pair
from dltools.losses.precision import full_precision


@component("loss", "rle")
class RLELoss(Loss):
    """Residual log-likelihood: how unlikely the truth is under what the model says of place and spread.

    With x = (target - point) / sigma along each axis: -log(Q(x) / sigma) - log(G(x) / sigma), where Q is a Laplace
    density and G a normalizing flow that learns in what the errors differ from it. Input (B, K, 4): x, y and their
    sigmas; target (B, K, 2) x, y, absent joints NaN: they are left out of sum and weight. Range: any, also below 0.

    Li et al. 2021, arXiv:2107.11291, eq. 6 to 9, as its authors train it: each factor is a density of the point and
    has the 1 / sigma of its change of variables, so that neither gains from a sigma that is too large, and the
    normalizer log s of their product is left out.

    The flow's parameters are the loss's own: they belong in the optimizer, and `state_dict` holds them. They are not
    needed to predict. The flow runs in fp32, under autocast too.

    Raises ValueError for other shapes.
    """

    kind: ClassVar[str] = "distributions"
    is_nonnegative: ClassVar[bool] = False

    couplings: PositiveInt = 6
    """Steps of the flow."""
    width: PositiveInt = 64
    """Neurons in each of the two hidden layers of a step."""
    min_sigma: PositiveFloat = 1e-3
    """Least sigma, in the unit of the points; smaller ones count as that much."""

    def __post_init__(self) -> None:
        """Make the flow."""
        super().__post_init__()
        self.flow = PlaneFlow(self.couplings, self.width)

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the negative log-likelihood of each joint (B, K), and which are present."""
        values, truth, present = point_pair(input, target, columns=4)
        points, sigmas = values.split(2, dim=2)
        sigmas = torch.where(present.unsqueeze(2), sigmas, 1).clamp(min=self.min_sigma)
        error = (truth - points) / sigmas
        laplace = -error.abs().sum(2) - 2 * math.log(2)
        with full_precision(input.device.type):
            residual = self.flow.log_prob(error)
        loss = 2 * sigmas.log().sum(2) - laplace - residual
        return weighted(torch.where(present, loss, 0), present)
