"""Training of a top-down keypoint model."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.data.base import Provider, Split
from dltools.data.instances import InstanceCrops
from dltools.models.heatmaps import decode_heatmaps, keypoint_heatmaps, soft_argmax
from dltools.policies.base import Pairs, Policy
from dltools.policies.batches import Batch
from dltools.policies.checks import expect_tensor


@component("policy", "keypoints")
class KeypointsPolicy(Policy):
    """Points of one object at a time: crops (B, C, H, W) to heat maps (B, K, h, w), one for each point.

    Each object of an image is a sample: the square around its box, with some context. Crowds, and objects without a
    visible point, are left out.

    Losses of kind `values` compare the heat maps, those of kind `points` and `distributions` what a soft-argmax reads
    from them. Losses of points alone learn slowly and leave the maps wide, and points are then predicted by the mean of
    a map instead of its peak; better beside a loss of the maps, of about its size: `heatmap_mse+0.01*oks`,
    `heatmap_mse+0.001*wing`. `rle` learns the width of the maps as well and does alone.
    """

    offers: ClassVar[tuple[str, ...]] = ("values", "points", "distributions")
    measured: ClassVar[tuple[str, ...]] = ("keypoints", "poses", "values")
    target: ClassVar[str] = "labels"

    crop: Annotated[int, Ge(8)] = 48
    """Side of the square that an object is resized to, in pixels."""
    context: Annotated[float, Ge(1)] = 1.75
    """Side of the square around an object, in longest sides of its box."""
    sigma: PositiveFloat = 1.5
    """Width of the Gaussian around a point, in pixels of the heat map."""
    temperature: PositiveFloat = 0.06
    """Losses of points read the mean of softmax(heat map / temperature); lower is better for larger maps."""

    def prepare(self, split: Split) -> Split:
        """Cut the objects out."""
        return InstanceCrops(split, context=self.context, size=self.crop)

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count and name the points of an object."""
        points = {"num_keypoints": data.num_keypoints, "keypoint_names": list(data.keypoint_names) or None}
        swap = [list(pair) for pair in data.keypoint_swap]
        return {"in_channels": data.in_channels, "learns": "keypoints", "keypoint_swap": swap, **points}

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.class_names

    def check(self, output: Tensor, batch: Batch) -> None:
        """Check the shape of the heat maps."""
        expected = (len(batch["image"]), self.job.data.num_keypoints, None, None)
        expect_tensor(output, expected, "heat maps (batch, keypoints, height, width)")

    def losses(self, output: Tensor, batch: Batch) -> Pairs:
        """Compare what the losses read: absent points are NaN and count nothing.

        `values` are the heat maps beside a Gaussian around each point. `points` are their soft-argmax beside the
        points, and the scale of the objects; `distributions` the soft-argmax with its spread beside the points.
        """
        kinds, keypoints, stride = self.job.loss.kinds, _stacked(batch), self._stride(output)
        pairs: Pairs = {}
        if "values" in kinds:
            pairs["values"] = (output, self._heatmaps(output, batch))
        if kinds & {"points", "distributions"}:
            found, spread = soft_argmax(output, stride, self.temperature)
            places = keypoints[..., :2].masked_fill(keypoints[..., 2:] == 0, torch.nan)
            pairs["points"] = (found, places, batch["scale"])
            pairs["distributions"] = (torch.cat([found, spread], 2), places)
        return pairs

    def measures(self, output: Tensor, batch: Batch) -> Pairs:
        """Measure what the metrics read.

        `keypoints` are the points that were found beside the true ones, and the scale of the objects. `poses` are the
        same for metrics of the COCO evaluation: each crop is an image with one object, whose score is the mean height
        of its peaks and whose area is that of its box. `values` are what losses of that kind compare.
        """
        kinds, keypoints = self.job.metrics.kinds, _stacked(batch)
        found, heights = self._find(output)
        pairs: Pairs = {"keypoints": (found, {"keypoints": keypoints, "scale": batch["scale"]})}
        if "poses" in kinds:
            poses = zip(found.unsqueeze(1), heights.mean(1, keepdim=True), strict=True)
            truths = zip(keypoints.unsqueeze(1), batch["boxes"], batch["index"], strict=True)
            pairs["poses"] = (
                [{"keypoints": points, "scores": score} for points, score in poses],
                [{"keypoints": points, "area": _area(box), "image_id": index} for points, box, index in truths],
            )
        if "values" in kinds:
            pairs["values"] = (output, self._heatmaps(output, batch))
        return pairs

    def predictions(self, output: Tensor) -> list[dict[str, Tensor]]:
        """Return the points (1, K, 3) of each crop; in place of the visibility stands the height of the peak."""
        found, heights = self._find(output)
        return [{"keypoints": points[None]} for points in torch.cat([found, heights.clamp(min=1e-6)[..., None]], 2)]

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the points (1, K, 3) of each crop."""
        return [{"keypoints": keypoints} for keypoints in batch["keypoints"]]

    def _find(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the points (B, K, 2), and the heights of the peaks (B, K).

        The points are read as they were trained: losses of points say where the mean of a map lies and nothing of its
        peak, so that the peak counts only where a loss compares the maps themselves.
        """
        stride = self._stride(output)
        found, heights = decode_heatmaps(output, stride)
        if self.job.loss.kinds <= {"points", "distributions"}:
            found, _ = soft_argmax(output, stride, self.temperature)
        return found, heights

    def _heatmaps(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a Gaussian around each true point, on the grid of the output."""
        size = tuple(batch["image"].shape[-2:])
        return keypoint_heatmaps(_stacked(batch), size, self._stride(output), self.sigma)

    def _stride(self, output: Tensor) -> int:
        """Return how many pixels of the crop lie in one of the heat map."""
        return round(self.crop / output.shape[-1])


def _stacked(batch: Batch) -> Tensor:
    """Return the points (B, K, 3) of crops with one object each."""
    return torch.cat(batch["keypoints"])


def _area(box: Tensor) -> Tensor:
    """Return the areas (n,) of boxes (n, 4)."""
    return (box[:, 2:] - box[:, :2]).prod(1)
