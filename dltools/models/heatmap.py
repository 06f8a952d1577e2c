"""Keypoints of one object by a heat map for each joint."""

from __future__ import annotations

from dataclasses import field

from torch import Tensor, nn

from dltools.cfgutils import FieldError, PositiveInt, component
from dltools.models.base import Model
from dltools.models.blocks import Answer, ConvNormAct, Decoder, Encoder, Norm
from dltools.models.resnet import check_blocks


@component("model", "heatmap")
class HeatmapNet(Model):
    """Heat maps of the joints of one object: crops (B, in_channels, H, W) to (B, num_keypoints, h, w).

    The maps are `stride` times smaller than the crops. Goes with losses of kind `values`, such as `heatmap_mse`;
    `heatmaps.py` makes the targets and reads the answers.
    After Xiao et al. 2018, arXiv:1804.06208, with skip connections on the way up.
    """

    num_keypoints: PositiveInt | None = None
    """Number of joints of an object; None takes it from the data."""
    width: PositiveInt = 24
    """Channels of the first stage; each further stage has twice as many and half the resolution."""
    blocks: list[int] = field(default_factory=lambda: [1, 1, 1, 1])
    """Residual blocks of each stage of the encoder."""
    stem_stride: PositiveInt = 2
    """Step of the first convolution."""
    finest: int = 1
    """Stage at whose resolution the maps are made: 0 for the stem's, 1 for half of it."""
    norm: Norm = Norm.batch
    """Normalisation over the batch, or over groups of channels."""

    def __post_init__(self) -> None:
        check_blocks(self.blocks)
        if not 0 <= self.finest < len(self.blocks):
            raise FieldError("finest", f"must be a stage, from 0 to {len(self.blocks) - 1}, got {self.finest}")
        widths = [self.width * 2**stage for stage in range(len(self.blocks))]
        self.stride = self.stem_stride * 2**self.finest
        self.encoder = Encoder(self.given("in_channels"), widths, self.blocks, self.norm, self.stem_stride)
        self.decoder = Decoder(widths[self.finest :], self.norm)
        self.head = nn.Sequential(
            ConvNormAct(widths[self.finest], widths[self.finest], self.norm),
            Answer(widths[self.finest], self.given("num_keypoints")),
        )
        self.init_weights()

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to heat maps (B, num_keypoints, h, w), a `stride`-th of the crop's size."""
        return self.head(self.decoder(self.encoder(image)[self.finest :])[0])
