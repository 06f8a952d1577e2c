"""The parts that the reference models are made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dltools.models.base import Starting


class Norm(str, Enum):
    """How activations are normalised: over the batch, or over groups of channels of each sample."""

    batch = "batch"
    group = "group"


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Return a normalisation of (B, channels, H, W); groups have 8 channels where that divides, else they are one."""
    if norm is Norm.batch:
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)


class ConvNormAct(nn.Sequential):
    """Convolution with padding, normalisation and ReLU; (B, in, H, W) to (B, out, H / stride, W / stride)."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            norm_layer(norm, out_channels),
            nn.ReLU(inplace=True),
        )


class Answer(Starting):
    """The last convolution of a model; starts near a constant answer, whatever it sees.

    Args:
        in_channels: channels of the features.
        outputs: channels of the answer.
        kernel: side of the convolution.
        bias: the answer at the start: one number, or several for equally many channels each.
    """

    def __init__(self, in_channels: int, outputs: int, kernel: int = 1, bias: float | Sequence[float] = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, outputs, kernel, padding=kernel // 2)
        self.bias = [bias] if isinstance(bias, float) else list(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, outputs, H, W)."""
        return self.conv(x)

    def start(self) -> None:
        """Start with small weights and the bias."""
        assert self.conv.bias is not None
        nn.init.normal_(self.conv.weight, std=0.01)
        with torch.no_grad():
            self.conv.bias.copy_(torch.tensor(self.bias).repeat_interleave(len(self.conv.bias) // len(self.bias)))


class ResidualBlock(Starting):
    """Two 3x3 convolutions beside a shortcut; starts as its shortcut.

    He et al. 2016, arXiv:1512.03385; the shortcut of a block that halves the resolution averages before it projects
    (He et al. 2019, arXiv:1812.01187, model D), and the last normalisation starts at zero (Goyal et al. 2017).
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Norm, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNormAct(in_channels, out_channels, norm, stride=stride)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm = norm_layer(norm, out_channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if in_channels != out_channels:
            self.shortcut.append(nn.Conv2d(in_channels, out_channels, 1, bias=False))
            self.shortcut.append(norm_layer(norm, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        return F.relu(self.shortcut(x) + self.norm(self.second(self.first(x))))

    def start(self) -> None:
        """Start as the shortcut."""
        weight = self.norm.weight
        assert isinstance(weight, Tensor)
        nn.init.zeros_(weight)


class Encoder(nn.Module):
    """A stem and stages of residual blocks; each stage after the first halves the resolution.

    Args:
        in_channels: channels of the image.
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        norm: kind of normalisation.
        stem_stride: step of the first convolution, a power of two.
    """

    def __init__(self, in_channels: int, widths: list[int], blocks: list[int], norm: Norm, stem_stride: int) -> None:
        super().__init__()
        self.stem = ConvNormAct(in_channels, widths[0], norm, kernel=max(3, 2 * stem_stride - 1), stride=stem_stride)
        self.stages = nn.ModuleList()
        before = widths[0]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            layers = [ResidualBlock(before, width, norm, stride=1 if number == 0 else 2)]
            layers += [ResidualBlock(width, width, norm) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*layers))
            before = width

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features (B, widths[i], H / (stem_stride 2^i), W / ...) of each stage, finest first."""
        x = self.stem(image.contiguous(memory_format=torch.channels_last))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """The way back up: coarse features are enlarged, added to the finer ones and refined.

    Args:
        widths: channels of the encoder's stages, finest first.
        norm: kind of normalisation.
    """

    def __init__(self, widths: list[int], norm: Norm) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.reduce = nn.ModuleList(ConvNormAct(coarse, fine, norm, kernel=1) for fine, coarse in pairs)
        self.refine = nn.ModuleList(ResidualBlock(fine, fine, norm) for fine, _ in pairs)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return refined features of the same shapes, finest first; the coarsest as it came."""
        refined = [features[-1]]
        for number in reversed(range(len(self.reduce))):
            fine = features[number]
            enlarged = F.interpolate(self.reduce[number](refined[0]), size=fine.shape[2:], mode="nearest")
            refined.insert(0, self.refine[number](fine + enlarged))
        return refined
