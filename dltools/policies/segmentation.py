"""Training of a semantic segmentation model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dltools.cfgutils import component
from dltools.data.base import Provider
from dltools.policies.base import Batch, Pairs, Policy
from dltools.policies.checks import expect_tensor

IGNORED = 255
"""Id of mask pixels that nobody labelled."""


@component("policy", "segmentation")
class SegmentationPolicy(Policy):
    """One class for each pixel: images (B, C, H, W) to logits (B, num_classes, H, W)."""

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count the ids of a mask, the background's included; pixels of 255 are ignored."""
        return {"in_channels": data.in_channels, "num_classes": data.num_mask_classes, "ignore_index": IGNORED}

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.mask_names

    def check(self, output: Tensor, batch: Batch) -> None:
        """Check the shape of the logits."""
        batch_size, height, width = batch["mask"].shape
        expected = (batch_size, self.job.data.num_mask_classes, height, width)
        expect_tensor(output, expected, "logits (batch, classes, height, width)")

    def losses(self, output: Tensor, batch: Batch) -> Pairs:
        """Compare the logits with the masks."""
        return {"classes": (output, batch["mask"])}

    def measures(self, output: Tensor, batch: Batch) -> Pairs:
        """Measure the logits against the masks."""
        return {"classes": (output, batch["mask"])}

    def predictions(self, output: Tensor) -> list[dict[str, Tensor]]:
        """Return the mask of the likeliest classes."""
        return [{"mask": mask} for mask in output.argmax(1)]

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the masks."""
        return [{"mask": mask} for mask in batch["mask"]]
