"""Training of a semantic segmentation model."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.utils.data import Dataset

from dltools.cfgutils import ConfigError, component
from dltools.data.base import Provider
from dltools.policies.base import Pairs, Policy
from dltools.policies.batches import Batch
from dltools.policies.checks import expect_tensor
from dltools.policies.distance_maps import WithDistanceMaps

IGNORED = 255
"""Id of mask pixels that nobody labelled."""


@component("policy", "segmentation")
class SegmentationPolicy(Policy):
    """One class for each pixel: images (B, C, H, W) to logits (B, num_classes, H, W)."""

    offers: ClassVar[tuple[str, ...]] = ("classes",)
    measured: ClassVar[tuple[str, ...]] = ("classes",)
    target: ClassVar[str] = "mask"

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count the ids of a mask, the background's included; pixels of 255 are ignored."""
        classes = {"num_classes": data.num_mask_classes, "class_names": data.mask_names}
        return {"in_channels": data.in_channels, "learns": "mask", "ignore_index": IGNORED, **classes}

    def complete(self, samples: Dataset[Any]) -> Dataset[Any]:
        """Add the distance maps of the masks if the data is to have them."""
        data, loss = self.job.data, self.job.loss
        if not data.distance_maps:
            return samples
        if not loss.reads_distance_maps:
            raise ConfigError(
                f"data.distance_maps=true makes maps that none of loss={'+'.join(loss.losses)} reads; "
                "leave it out, or add a loss that does, such as surface or hausdorff."
            )
        return WithDistanceMaps(samples, data.num_mask_classes)

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.mask_names

    def check(self, output: Tensor, batch: Batch) -> None:
        """Check the shape of the logits."""
        height, width = batch["mask"].shape[-2:]
        expected = (len(batch["image"]), self.job.data.num_mask_classes, height, width)
        expect_tensor(output, expected, "logits (batch, classes, height, width)")

    def losses(self, output: Tensor, batch: Batch) -> Pairs:
        """Compare the logits with the masks, and with their distance maps where there are any.

        Masks are (B, H, W) class ids, or (B, num_classes, H, W) shares of classes where they were mixed.
        """
        maps = [batch["distance_maps"]] if "distance_maps" in batch else []
        return {"classes": (output, _target(batch), *maps)}

    def measures(self, output: Tensor, batch: Batch) -> Pairs:
        """Measure the logits against the masks."""
        return {"classes": (output, _target(batch))}

    def predictions(self, output: Tensor) -> list[dict[str, Tensor]]:
        """Return the mask of the likeliest classes."""
        return [{"mask": mask} for mask in output.argmax(1)]

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the masks."""
        return [{"mask": mask} for mask in batch["mask"]]


def _target(batch: Batch) -> Tensor:
    """Return shares as they are, and class ids, which travel as bytes, as int64."""
    mask = batch["mask"]
    return mask if mask.is_floating_point() else mask.long()
