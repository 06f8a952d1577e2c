"""Training of an anchor-free object detector."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dltools.cfgutils import PositiveFloat, PositiveInt, Probability, component
from dltools.data.base import Provider
from dltools.models.points import assign, decode
from dltools.policies.base import Batch, Pairs, Policy
from dltools.policies.checks import expect_keys, expect_tensor


@component("policy", "detection")
class DetectionPolicy(Policy):
    """Boxes and labels of objects: images to a dict of `logits` (B, P, C), `boxes` (B, P, 4) and `points` (P, 3).

    Boxes are x1, y1, x2, y2 in pixels; points are x, y and stride in pixels.
    """

    radius: PositiveFloat = 1.5
    """How far from an object's centre, in strides, points are trained to find it."""
    score_threshold: Probability = 0.05
    """Boxes of a lower score are no predictions."""
    nms_iou: Probability = 0.5
    """Of two boxes of one class that overlap more than this, the one of the lower score is left out."""
    max_detections: PositiveInt = 100
    """Largest number of boxes predicted for an image."""

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count the labels, and let class losses work on independent, mostly empty points (Lin et al. 2017)."""
        counts = {"in_channels": data.in_channels, "num_classes": data.num_classes}
        return counts | {"mode": "multilabel", "normalizer": "positives", "alpha": 0.25}

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.class_names

    def check(self, output: Any, batch: Batch) -> None:
        """Check the keys and shapes of the output."""
        expect_keys(output, ("logits", "boxes", "points"), "a dict of logits, boxes and points")
        batch_size = len(batch["image"])
        expect_tensor(output["points"], (None, 3), "points (points, x y stride)")
        count = len(output["points"])
        expect_tensor(
            output["logits"], (batch_size, count, self.job.data.num_classes), "logits (batch, points, classes)"
        )
        expect_tensor(output["boxes"], (batch_size, count, 4), "boxes (batch, points, x1 y1 x2 y2)")

    def losses(self, output: Any, batch: Batch) -> Pairs:
        """Compare every point's classes, and the boxes of the points that stand for an object."""
        wanted = assign(output["points"], batch["boxes"], batch["labels"], self.job.data.num_classes, self.radius)
        boxes = output["boxes"][wanted.positive], wanted.boxes[wanted.positive]
        classes = output["logits"].flatten(0, 1), wanted.classes.flatten(0, 1)
        return {"classes": classes, "boxes": boxes, "values": boxes}

    def measures(self, output: Any, batch: Batch) -> Pairs:
        """Measure the predicted boxes against the annotated ones."""
        return {"boxes": (self.predictions(output), self.truths(batch))}

    def predictions(self, output: Any) -> list[dict[str, Tensor]]:
        """Return boxes, scores and labels, best first, without double ones."""
        return decode(output, self.score_threshold, self.max_detections, self.nms_iou)

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return boxes and labels."""
        pairs = zip(batch["boxes"], batch["labels"], strict=True)
        return [{"boxes": boxes, "labels": labels} for boxes, labels in pairs]
