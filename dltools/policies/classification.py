"""Training of an image classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.data.base import Provider
from dltools.policies.base import Pairs, Policy
from dltools.policies.batches import Batch
from dltools.policies.checks import expect_tensor


@component("policy", "classification")
class ClassificationPolicy(Policy):
    """One label for each image: images (B, C, H, W) to logits (B, num_classes)."""

    offers: ClassVar[tuple[str, ...]] = ("classes",)
    measured: ClassVar[tuple[str, ...]] = ("classes",)
    target: ClassVar[str] = "label"

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count and name the labels."""
        names = self.names(data)
        return {"in_channels": data.in_channels, "learns": "label", "num_classes": len(names), "class_names": names}

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.class_names

    def check(self, output: Tensor, batch: Batch) -> None:
        """Check the shape of the logits."""
        expect_tensor(output, (len(batch["image"]), self.job.data.num_classes), "logits (batch, classes)")

    def losses(self, output: Tensor, batch: Batch) -> Pairs:
        """Compare the logits with the labels: (B,) class ids, or (B, num_classes) shares where they were mixed."""
        return {"classes": (output, batch["label"])}

    def measures(self, output: Tensor, batch: Batch) -> Pairs:
        """Measure the logits against the labels."""
        return {"classes": (output, batch["label"])}

    def predictions(self, output: Tensor) -> list[dict[str, Tensor]]:
        """Return the likeliest label of each image, and its probability."""
        scores, labels = output.float().softmax(1).max(1)
        return [{"label": label, "score": score} for label, score in zip(labels, scores, strict=True)]

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the labels."""
        return [{"label": label} for label in torch.as_tensor(batch["label"])]
