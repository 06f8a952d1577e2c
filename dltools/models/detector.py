"""Detection without anchors."""

from __future__ import annotations

import math
from dataclasses import field

import torch
from torch import Tensor, nn

from dltools.cfgutils import FieldError, NonNegativeInt, PositiveInt, component
from dltools.models.base import Model
from dltools.models.blocks import Answer, ConvNormAct, Decoder, Encoder, Norm
from dltools.models.points import expected_sides, make_points
from dltools.models.resnet import check_blocks


@component("model", "fcos")
class FCOS(Model):
    """Anchor-free detector: each cell of a feature pyramid tells what stands there and how far its sides are.

    Maps (B, in_channels, H, W) to `logits` (B, P, num_classes), `boxes` (B, P, 4) as x1, y1, x2, y2 in pixels, and
    `points` (P, 3): x, y and stride in pixels. Goes with losses of kind `classes` and `boxes`, such as `focal+giou`.
    With bins, also `distances` (B, P, 4, bins + 1): logits of the distribution of each side, whose mean makes the
    boxes; goes with `quality_focal+giou+distribution_focal`.

    Tian et al. 2019, arXiv:1904.01355; the branch of centre-ness is left out. Bins: Li et al. 2020, arXiv:2006.04388.
    """

    num_classes: PositiveInt | None = None
    """Number of classes, without a background; None takes it from the data."""
    width: PositiveInt = 48
    """Channels of the first stage; each further stage has twice as many and half the resolution."""
    blocks: list[int] = field(default_factory=lambda: [1, 1, 1])
    """Residual blocks of each stage."""
    stem_stride: PositiveInt = 4
    """Step of the first convolution."""
    levels: PositiveInt = 3
    """How many of the last stages predict."""
    head_width: PositiveInt = 64
    """Channels of the pyramid and the heads."""
    head_depth: PositiveInt = 1
    """Convolutions of each head before its answer."""
    bins: NonNegativeInt = 0
    """Tell each side as a distribution over 0..bins strides, the furthest that it can be; 0 tells it directly."""
    bias: list[float] | None = None
    """Logits of the classes at the start, such as ${stats:prior_bias}; None is that of a probability of 0.01."""
    norm: Norm = Norm.batch
    """Normalisation of the backbone; the heads, which all levels share, are normalised over groups."""

    def __post_init__(self) -> None:
        check_blocks(self.blocks)
        if self.levels > len(self.blocks):
            raise FieldError("levels", f"must be at most {len(self.blocks)}, the number of stages, got {self.levels}")
        widths = [self.width * 2**stage for stage in range(len(self.blocks))]
        self.strides = [self.stem_stride * 2**stage for stage in range(len(self.blocks))][-self.levels :]
        self.encoder = Encoder(self.given("in_channels"), widths, self.blocks, self.norm, self.stem_stride)
        self.decoder = Decoder(widths[-self.levels :], self.norm)
        self.lateral = nn.ModuleList(
            ConvNormAct(width, self.head_width, self.norm, kernel=1) for width in widths[-self.levels :]
        )
        self.classes = _head(self.head_width, self.head_depth, self.given("num_classes"), self.bias_or(_rare(0.01)))
        self.sides = _head(self.head_width, self.head_depth, 4 * (self.bins + 1), [1.0])
        self.init_weights()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map (B, in_channels, H, W) to `logits`, `boxes`, `points` and, with bins, `distances`."""
        features = self.decoder(self.encoder(image)[-self.levels :])
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        points = make_points([(level.shape[2], level.shape[3]) for level in levels], self.strides, image)
        logits = torch.cat([_rows(self.classes(level)) for level in levels], dim=1)
        answers = torch.cat([_rows(self.sides(level)) for level in levels], dim=1).float()
        if self.bins:
            distances = answers.unflatten(2, (4, self.bins + 1))
            return {"logits": logits, **_boxes(points, expected_sides(distances)), "distances": distances}
        # Distances in strides, positive and bounded: e^6 strides are more than any image.
        return {"logits": logits, **_boxes(points, answers.clamp(max=6).exp())}


def _boxes(points: Tensor, sides: Tensor) -> dict[str, Tensor]:
    """Return `boxes` (B, P, 4) from distances of their sides in strides, and `points` (P, 3)."""
    sides = sides * points[:, 2:]
    boxes = torch.cat([points[:, :2] - sides[..., :2], points[:, :2] + sides[..., 2:]], dim=2)
    return {"boxes": boxes, "points": points}


def _head(width: int, depth: int, outputs: int, bias: list[float]) -> nn.Sequential:
    """Return convolutions and an answer for each cell, which is the bias at first."""
    tower = [ConvNormAct(width, width, Norm.group) for _ in range(depth)]
    return nn.Sequential(*tower, Answer(width, outputs, kernel=3, bias=bias))


def _rare(prior: float) -> float:
    """Return the logit of a small probability, with which training on mostly background starts stable.

    Lin et al. 2017, arXiv:1708.02002, section 4.1.
    """
    return -math.log((1 - prior) / prior)


def _rows(x: Tensor) -> Tensor:
    """Return (B, C, h, w) as (B, h w, C)."""
    return x.flatten(2).transpose(1, 2)
