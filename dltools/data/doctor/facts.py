"""What a data set says of itself, by which its samples are judged."""

from __future__ import annotations

from dataclasses import dataclass

from dltools.data.base import Provider
from dltools.data.statistics import Target

MOST_MASK_CLASSES = 255


@dataclass(frozen=True, kw_only=True)
class About:
    """Names and numbers of a data set."""

    class_names: tuple[str, ...]
    """Names of the label ids."""
    mask_names: tuple[str, ...]
    """Names of the ids in masks."""
    keypoint_names: tuple[str, ...]
    """Names of the joints."""
    in_channels: int
    """Channels of an image."""

    @classmethod
    def of(cls, provider: Provider) -> About:
        """Return what a provider says of itself; of files that it reads for that, its errors pass."""
        return cls(
            class_names=tuple(provider.class_names),
            mask_names=tuple(provider.mask_names),
            keypoint_names=tuple(provider.keypoint_names),
            in_channels=int(provider.in_channels),
        )

    def names(self, target: Target) -> tuple[str, ...]:
        """Return the names of the ids of a target."""
        return self.mask_names if target is Target.mask else self.class_names

    @property
    def targets(self) -> list[Target]:
        """Return the targets whose classes can be counted: more than masks have room for are those of labels."""
        return [target for target in Target if target is not Target.mask or len(self.mask_names) <= MOST_MASK_CLASSES]
