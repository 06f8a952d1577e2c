"""The similarity of poses as a loss."""

from __future__ import annotations

import math
from dataclasses import field
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, PositiveFloat, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.keypoints.joints import point_pair


class Form(str, Enum):
    """How a similarity becomes a loss."""

    linear = "linear"
    """1 - OKS: range 0..1; hardly any gradient while all joints are far off."""
    log = "log"
    """-log OKS: range 0 and up; far off, it draws the nearest joint."""


@component("loss", "oks")
class OKSLoss(Loss):
    """Dissimilarity of poses: one minus the object keypoint similarity, or its negative logarithm.

    OKS of an object = mean over its present joints of exp(-d^2 / (2 scale^2 (2 sigma)^2)), d the distance in pixels.
    Input (B, K, 2) and target (B, K, 2) x, y in pixels, absent joints NaN; scale (B,) in pixels. The mean runs over
    the objects that have a joint. Similarity as in the evaluation of COCO, as a loss Maji et al. 2022 (YOLO-Pose),
    arXiv:2204.06806, eq. 5. Points that are read from heat maps learn faster beside a loss of the maps:
    `heatmap_mse+0.01*oks`.

    Raises ValueError for other shapes, FieldError when the number of sigmas is neither 1 nor K.
    """

    kind: ClassVar[str] = "points"

    form: Form = Form.linear
    """Return 1 - OKS (linear) or -log OKS (log)."""
    sigmas: list[float] = field(default_factory=lambda: [0.05])
    """How exact the annotation of each joint is, in scales of the object; one value is that of all joints."""
    min_area: PositiveFloat = 1.0
    """Least squared scale in square pixels, so that tiny objects have a finite loss."""

    def __post_init__(self) -> None:
        """Check the sigmas and make their buffer, which is not saved."""
        super().__post_init__()
        if not self.sigmas or not all(0 < sigma < math.inf for sigma in self.sigmas):
            raise FieldError("sigmas", f"must be one value or one a joint, finite and above 0, got {list(self.sigmas)}")
        self.register_buffer("_sigmas", torch.tensor(list(self.sigmas), dtype=torch.float32), persistent=False)

    def elements(self, input: Tensor, target: Tensor, scale: Tensor | None = None) -> Elements:
        """Return the loss of each object (B,), and which of them have a joint.

        Args:
            input: (B, K, 2).
            target: (B, K, 2), NaN where absent.
            scale: (B,) size of each object: the square root of its area, or another length that the sigmas are for.
        """
        values, truth, present = point_pair(input, target)
        if scale is None or scale.shape != input.shape[:1]:
            got = None if scale is None else tuple(scale.shape)
            raise ValueError(f"oks takes the scale (B,) of the objects, here ({len(input)},), as third, got {got}")
        count = present.sum(1)
        seen = count > 0
        area = torch.where(seen, scale.to(values.dtype), 0).square().clamp(min=self.min_area)
        spread = 8 * area[:, None] * self._spread(values)
        exponent = (values - truth).square().sum(2) / spread
        count = count.clamp(min=1).to(values.dtype)
        if self.form is Form.linear:
            loss = 1 - torch.where(present, (-exponent).exp(), 0).sum(1) / count
        else:
            # Objects without a joint keep all of theirs, at distance 0: the sum of none has no logarithm.
            kept = torch.where(present | ~seen[:, None], -exponent, -torch.inf)
            loss = count.log() - kept.logsumexp(1)
        return weighted(torch.where(seen, loss, 0), seen)

    def _spread(self, values: Tensor) -> Tensor:
        """Return the squared sigmas (1,) or (K,) in the dtype of the points (B, K, 2)."""
        if len(self.sigmas) not in (1, values.shape[1]):
            raise FieldError("sigmas", f"must have 1 value or {values.shape[1]}, one a joint, got {len(self.sigmas)}")
        return self.get_buffer("_sigmas").to(values).square()
