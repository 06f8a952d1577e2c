"""The augmentations of training and evaluation."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import albumentations as A
import torch
from torch import Tensor

from dltools.augs.base import SampleTransform, Split
from dltools.augs.dataset import AugmentedSplit
from dltools.augs.samples.mix import Mix
from dltools.cfgutils import ConfigError, FieldError, Probability, component


@component("augs", "pipeline")
class Augmentations:
    """Named transforms for training and for evaluation, in the order in which they stand.

    Each is a transform or composition of albumentations, or a `SampleTransform`. Images stay uint8 or uint16 until they
    are on the device; `normalize` then makes them what a model takes.
    """

    train: dict[str, Any] = field(default_factory=dict)
    """Transforms of training samples, by name."""
    eval: dict[str, Any] = field(default_factory=dict)
    """Transforms of validation and test samples, by name."""
    mean: list[float] = field(default_factory=lambda: [0.5])
    """Subtracted from images of 0 to 1: a value for each channel, or one for all."""
    std: list[float] = field(default_factory=lambda: [0.25])
    """What images are divided by then: a value for each channel, or one for all."""
    min_visibility: Probability = 0.1
    """Training boxes are dropped when a transform leaves less than this share of them, or a side below a pixel."""
    keypoint_swap: list[list[int]] | None = None
    """Pairs of keypoints that trade places in a mirror image, such as left and right eye; None as the data says."""

    def __post_init__(self) -> None:
        for stage, transforms in (("train", self.train), ("eval", self.eval)):
            if not isinstance(transforms, dict):
                raise FieldError(
                    stage,
                    f"must be transforms by name, got a {type(transforms).__name__}; a single one is chosen under a "
                    f"name, such as +transform@augs.{stage}.blur=blur",
                )
            for name, transform in transforms.items():
                if not isinstance(transform, (A.BasicTransform, A.BaseCompose, SampleTransform)):
                    kind = type(transform).__name__
                    raise FieldError(f"{stage}.{name}", f"must be a transform of albumentations or ours, got a {kind}")
        for name, transform in self.eval.items():
            if isinstance(transform, Mix):
                raise FieldError(f"eval.{name}", "must not mix samples: an evaluation counts each of them as it is")
        if min(self.std) <= 0:
            raise FieldError("std", f"must be greater than 0, got {self.std}")
        self._constants: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def dataset(self, split: Split, stage: str, seed: int) -> AugmentedSplit:
        """Return a split with its samples transformed and made of tensors.

        Args:
            split: samples by position.
            stage: `train` or `eval`.
            seed: of all randomness in the samples.
        """
        transforms, min_visibility, min_side = {
            "train": (self.train, self.min_visibility, 1.0),
            "eval": (self.eval, 0.0, 0.01),
        }[stage]
        settings = {"min_visibility": min_visibility, "min_side": min_side, "keypoint_swap": self.keypoint_swap or []}
        return AugmentedSplit(split, transforms, stage, seed, **settings)

    def normalize(self, images: Tensor) -> Tensor:
        """Return (images / 255 - mean) / std, for images of 16 bits (images / 65535 - mean) / std.

        Args:
            images: (B, C, H, W) uint8 or uint16, on any device.

        Returns:
            Float32 of the same shape, device and memory format.

        Raises:
            ConfigError: mean or std have neither one value nor one for each channel.
        """
        key = images.device, images.dtype
        if key not in self._constants:
            mean, std = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (self.mean, self.std))
            self._constants[key] = (1 / (torch.iinfo(images.dtype).max * std), -mean / std)
        scale, shift = self._constants[key]
        channels = images.shape[1]
        if len(scale) not in (1, channels) or len(shift) not in (1, channels):
            raise ConfigError(
                f"augs.mean and augs.std must have 1 value or {channels}, one for each channel of the images; "
                f"got {self.mean} and {self.std}."
            )
        return torch.addcmul(shift, images, scale)
