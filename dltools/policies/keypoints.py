"""Training of a top-down keypoint model."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.data.base import Provider, Split
from dltools.data.instances import InstanceCrops
from dltools.models.heatmaps import decode_heatmaps, keypoint_heatmaps
from dltools.policies.base import Batch, Pairs, Policy
from dltools.policies.checks import expect_tensor


@component("policy", "keypoints")
class KeypointsPolicy(Policy):
    """Points of one object at a time: crops (B, C, H, W) to heat maps (B, K, h, w), one for each point.

    Each annotated object of an image is a sample: the square around its box, with some context.
    """

    crop: Annotated[int, Ge(8)] = 48
    """Side of the square that an object is resized to, in pixels."""
    context: Annotated[float, Ge(1)] = 1.75
    """Side of the square around an object, in longest sides of its box."""
    sigma: PositiveFloat = 1.5
    """Width of the Gaussian around a point, in pixels of the heat map."""

    def prepare(self, split: Split) -> Split:
        """Cut the objects out."""
        return InstanceCrops(split, context=self.context, size=self.crop)

    def facts(self, data: Provider) -> dict[str, Any]:
        """Count the points of an object."""
        return {"in_channels": data.in_channels, "num_keypoints": data.num_keypoints}

    def names(self, data: Provider) -> list[str]:
        """Return the names that pictures show."""
        return data.class_names

    def check(self, output: Tensor, batch: Batch) -> None:
        """Check the shape of the heat maps."""
        expected = (len(batch["image"]), self.job.data.num_keypoints, None, None)
        expect_tensor(output, expected, "heat maps (batch, keypoints, height, width)")

    def losses(self, output: Tensor, batch: Batch) -> Pairs:
        """Compare the heat maps with a Gaussian around each point; absent points are NaN and count nothing."""
        keypoints = _stacked(batch)
        size = batch["image"].shape[-2:]
        return {"values": (output, keypoint_heatmaps(keypoints, tuple(size), self._stride(output), self.sigma))}

    def measures(self, output: Tensor, batch: Batch) -> Pairs:
        """Measure the peaks of the heat maps against the points."""
        found, _ = decode_heatmaps(output, self._stride(output))
        return {"keypoints": (found, {"keypoints": _stacked(batch), "scale": batch["scale"]})}

    def predictions(self, output: Tensor) -> list[dict[str, Tensor]]:
        """Return the points (1, K, 3) of each crop; in place of the visibility stands the height of the peak."""
        found, heights = decode_heatmaps(output, self._stride(output))
        return [{"keypoints": points[None]} for points in torch.cat([found, heights.clamp(min=1e-6)[..., None]], 2)]

    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the points (1, K, 3) of each crop."""
        return [{"keypoints": keypoints} for keypoints in batch["keypoints"]]

    def _stride(self, output: Tensor) -> int:
        """Return how many pixels of the crop lie in one of the heat map."""
        return round(self.crop / output.shape[-1])


def _stacked(batch: Batch) -> Tensor:
    """Return the points (B, K, 3) of crops with one object each."""
    return torch.cat(batch["keypoints"])
