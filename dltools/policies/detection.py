"""Training of an anchor-free object detector."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from dltools.cfgutils import ConfigError, PositiveFloat, PositiveInt, Probability, component
from dltools.data.base import Provider
from dltools.losses.detection import BoxPair
from dltools.models.points import assign, decode, sides_from
from dltools.policies.base import Pairs, Policy
from dltools.policies.batches import Batch
from dltools.policies.checks import expect_keys, expect_tensor


@component("policy", "detection")
class DetectionPolicy(Policy):
    """Boxes and labels of objects: images to a dict of `logits` (B, P, C), `boxes` (B, P, 4) and `points` (P, 3).

    Boxes are x1, y1, x2, y2 in pixels; points are x, y and stride in pixels. A model may also give `distances`
    (B, P, 4, n + 1): logits of the distribution of each side's distance over 0..n strides.

    What losses may read: `classes` of all points, `boxes` (also as `values`) of those that stand for an object,
    `labelled_boxes` with their labels, `quality` as classes of which the true one is worth the IoU of the predicted
    box, and `distances` of their sides. Crowds (`iscrowd`) are not trained on: no point stands for one. Metrics are
    told of them and of the objects' `area`, where the data has them, as COCO's rule wants it.
    """

    offers: ClassVar[tuple[str, ...]] = ("classes", "boxes", "labelled_boxes", "values", "quality", "distances")
    measured: ClassVar[tuple[str, ...]] = ("boxes",)
    target: ClassVar[str] = "labels"

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
        counts = {"in_channels": data.in_channels, "num_classes": data.num_classes, "class_names": data.class_names}
        counts["keypoint_swap"] = [list(pair) for pair in data.keypoint_swap]
        return counts | {"learns": "boxes", "mode": "multilabel", "normalizer": "positives", "alpha": 0.25}

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
        objects = _without_crowds(batch)
        wanted = assign(output["points"], *objects, self.job.data.num_classes, self.radius)
        positive = wanted.positive.flatten().nonzero().squeeze(1)
        logits, truth = output["logits"].flatten(0, 1), wanted.classes.flatten(0, 1)
        boxes = output["boxes"].flatten(0, 1)[positive], wanted.boxes.flatten(0, 1)[positive]
        pairs: Pairs = {"classes": (logits, truth), "boxes": boxes, "values": boxes}
        kinds = self.job.loss.kinds
        if "labelled_boxes" in kinds:
            pairs["labelled_boxes"] = (*boxes, truth[positive].argmax(1))
        if "quality" in kinds:
            overlap = BoxPair(*boxes).iou.detach().to(truth.dtype)
            pairs["quality"] = logits, truth.index_copy(0, positive, truth[positive] * overlap.unsqueeze(1))
        if "distances" in kinds:
            points = output["points"][positive % len(output["points"])]
            pairs["distances"] = _distances(output).flatten(0, 1)[positive], sides_from(points, boxes[1])
        return pairs

    def measures(self, output: Any, batch: Batch) -> Pairs:
        """Measure the predicted boxes against the annotated ones."""
        known = {key: batch[key] for key in ("boxes", "labels", "area", "iscrowd", "index") if key in batch}
        names = ["image_id" if key == "index" else key for key in known]
        images = [dict(zip(names, image, strict=True)) for image in zip(*known.values(), strict=True)]
        return {"boxes": (self.predictions(output), images)}

    def predictions(self, output: Any) -> list[dict[str, Tensor]]:
        """Return boxes, scores and labels, best first, without double ones."""
        return decode(output, self.score_threshold, self.max_detections, self.nms_iou)

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return boxes and labels."""
        pairs = zip(batch["boxes"], batch["labels"], strict=True)
        return [{"boxes": boxes, "labels": labels} for boxes, labels in pairs]


def _without_crowds(batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Return boxes and labels of the objects that are no crowds."""
    boxes, labels = batch["boxes"], batch["labels"]
    if "iscrowd" not in batch:
        return boxes, labels
    single = [~crowd for crowd in batch["iscrowd"]]
    pairs = zip(boxes, labels, single, strict=True)
    kept = [(places[one], classes[one]) for places, classes, one in pairs]
    return [places for places, _ in kept], [classes for _, classes in kept]


def _distances(output: dict[str, Tensor]) -> Tensor:
    """Return the distributions that the model predicts, or say how to get them."""
    if "distances" not in output:
        raise ConfigError(
            "model: A loss reads the distribution of the sides' distances, which this model does not predict; set "
            f"model.bins=16 for fcos, or return `distances` (batch, points, 4, n + 1). Got {', '.join(output)}."
        )
    return output["distances"]
