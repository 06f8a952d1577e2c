"""Segmentation by an encoder and a decoder."""

from __future__ import annotations

from dataclasses import field

from torch import Tensor, nn

from dltools.cfgutils import PositiveInt, component
from dltools.models.base import Model
from dltools.models.blocks import Answer, ConvNormAct, Decoder, Encoder, Norm
from dltools.models.resnet import check_blocks


@component("model", "unet")
class UNet(Model):
    """U-Net of residual blocks: (B, in_channels, H, W) to logits (B, num_classes, H, W), of any H and W.

    The finest stage works at the stem's resolution; logits are made there for each pixel of a cell and put in their
    places (Shi et al. 2016, arXiv:1609.05158). Goes with the losses of kind `classes`, such as `ce+dice`.
    Ronneberger et al. 2015, arXiv:1505.04597; skip connections are added, not concatenated.
    """

    num_classes: PositiveInt | None = None
    """Number of ids in a mask, the background's included; None takes it from the data."""
    width: PositiveInt = 48
    """Channels of the first stage; each further stage has twice as many and half the resolution."""
    blocks: list[int] = field(default_factory=lambda: [1, 1, 1])
    """Residual blocks of each stage of the encoder."""
    stem_stride: PositiveInt = 4
    """Step of the first convolution: 1 for the finest masks, 4 for a sixteenth of the cost."""
    bias: list[float] | None = None
    """Logits of the classes at the start, such as ${stats:prior_bias}; None is 0."""
    norm: Norm = Norm.batch
    """Normalisation over the batch, or over groups of channels."""

    def __post_init__(self) -> None:
        check_blocks(self.blocks)
        widths = [self.width * 2**stage for stage in range(len(self.blocks))]
        self.encoder = Encoder(self.given("in_channels"), widths, self.blocks, self.norm, self.stem_stride)
        self.decoder = Decoder(widths, self.norm)
        cell = self.stem_stride**2
        self.head = nn.Sequential(
            ConvNormAct(self.width, 2 * self.width, self.norm),
            Answer(2 * self.width, self.given("num_classes") * cell, bias=self.bias_or(0.0)),
            nn.PixelShuffle(self.stem_stride),
        )
        self.init_weights()

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to logits (B, num_classes, H, W)."""
        height, width = image.shape[2:]
        return self.head(self.decoder(self.encoder(image))[0])[..., :height, :width]
