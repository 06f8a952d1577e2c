"""Distance maps of the masks, made where samples are made."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from dltools.cfgutils import ConfigError
from dltools.data.base import Sample
from dltools.losses.segmentation.utils import signed_distances


class WithDistanceMaps(Dataset[Sample]):
    """Augmented samples, each with `distance_maps` (C, H, W) float16 of its mask: see `signed_distances`.

    Args:
        samples: a map-style data set whose samples have `mask` (H, W), a tensor.
        classes: number of class ids C; other ids are of no class.
    """

    def __init__(self, samples: Dataset[Sample], classes: int) -> None:
        self.samples = samples
        self.classes = classes

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Sample:
        """Return a sample with its maps.

        Raises:
            ConfigError: its mask is mixed.
        """
        sample = self.samples[key]
        if sample["mask"].dim() != 2:
            raise ConfigError(
                "data.distance_maps=true takes masks of class ids, and mixup makes shares of classes: leave out one of "
                "the two, or take cutmix."
            )
        maps = signed_distances(sample["mask"].numpy(), self.classes)
        return {**sample, "distance_maps": torch.from_numpy(maps).half()}
