"""Classification by a residual network."""

from __future__ import annotations

from dataclasses import field

import torch
from torch import Tensor, nn

from dltools.cfgutils import FieldError, PositiveInt, Probability, component
from dltools.models.base import Model
from dltools.models.blocks import Encoder, Norm


@component("model", "resnet")
class ResNet(Model):
    """Residual network for images of 8 to 64 pixels: (B, in_channels, H, W) to logits (B, num_classes).

    Goes with the losses of kind `classes`, such as `ce`. He et al. 2016, arXiv:1512.03385.
    """

    num_classes: PositiveInt | None = None
    """Number of classes; None takes it from the data."""
    width: PositiveInt = 32
    """Channels of the first stage; each further stage has twice as many and half the resolution."""
    blocks: list[int] = field(default_factory=lambda: [1, 1, 1])
    """Residual blocks of each stage."""
    stem_stride: PositiveInt = 2
    """Step of the first convolution: 1 for the tiniest images, 2 for a quarter of the cost."""
    dropout: Probability = 0.0
    """Share of the pooled features that is dropped in training."""
    bias: list[float] | None = None
    """Logits of the classes at the start, such as ${stats:prior_bias}; None is as torch's linear layers start."""
    norm: Norm = Norm.batch
    """Normalisation over the batch, or over groups of channels."""

    def __post_init__(self) -> None:
        check_blocks(self.blocks)
        widths = [self.width * 2**stage for stage in range(len(self.blocks))]
        self.encoder = Encoder(self.given("in_channels"), widths, self.blocks, self.norm, self.stem_stride)
        self.pool = nn.AdaptiveAvgPool2d(1)
        answer = nn.Linear(widths[-1], self.given("num_classes"))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(self.dropout), answer)
        self.init_weights()
        if self.bias is not None:
            nn.init.normal_(answer.weight, std=0.01)
            answer.bias.data = torch.tensor(self.bias_or(0.0))

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to logits (B, num_classes)."""
        return self.head(self.pool(self.encoder(image)[-1]))


def check_blocks(blocks: list[int]) -> None:
    """Check the numbers of blocks of the stages.

    Raises:
        FieldError: there is no stage, or one without a block.
    """
    if not blocks or min(blocks) < 1:
        raise FieldError("blocks", f"must have a number of at least 1 for each stage, got {list(blocks)}")
