"""What the keypoints policy offers to its losses, and when."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from dltools.losses import HeatmapMSELoss, LossSum, OKSLoss, RLELoss, WingLoss
from dltools.metrics import PCK, MeanSquaredError, MetricSet, OKSAveragePrecision
from dltools.models.heatmaps import decode_heatmaps, keypoint_heatmaps, soft_argmax
from dltools.policies.keypoints import KeypointsPolicy

TEMPERATURE = KeypointsPolicy().temperature


def policy_of(*losses):
    policy = KeypointsPolicy(crop=48)
    terms = {type(loss).__name__: loss for loss in losses}
    metrics = {"pck": PCK(threshold=0.2), "oks_ap": OKSAveragePrecision(), "mse": MeanSquaredError()}
    policy.job = SimpleNamespace(loss=LossSum(terms), metrics=MetricSet(metrics))
    return policy


def batch():
    keypoints = torch.rand(3, 1, 4, 3) * 40
    keypoints[..., 2] = torch.tensor([2.0, 1.0, 0.0, 2.0])
    return {
        "image": torch.zeros(3, 1, 48, 48),
        "keypoints": list(keypoints),
        "scale": torch.tensor([20.0, 25.0, 30.0], dtype=torch.float64),
        "boxes": [torch.tensor([[14.0, 4.0, 34.0, 44.0]])] * 3,
        "index": torch.arange(3),
    }


@pytest.mark.parametrize("loss", [HeatmapMSELoss(), WingLoss(), OKSLoss(), RLELoss()], ids=lambda x: type(x).__name__)
def test_it_computes_what_the_losses_read(loss):
    policy, output = policy_of(loss), torch.randn(3, 4, 12, 12, requires_grad=True)
    pairs = policy.losses(output, batch())
    assert loss.kind in pairs
    assert ("values" in pairs) == (loss.kind == "values")
    value, _ = policy.job.loss(pairs)
    value.backward()
    assert value.isfinite()
    assert (output.grad[:, 2] == 0).all(), "an absent point has no gradient"
    assert (output.grad[:, [0, 1, 3]] != 0).any()


def test_points_are_pixels_of_the_crop_and_absent_ones_are_unknown():
    drawn = batch()
    output = torch.randn(3, 4, 12, 12)
    found, places, scale = policy_of(WingLoss()).losses(output, drawn)["points"]
    assert torch.equal(found, soft_argmax(output, 4, TEMPERATURE)[0])
    assert places[:, 2].isnan().all()
    assert torch.equal(places[:, [0, 1, 3]], torch.cat(drawn["keypoints"])[:, [0, 1, 3], :2])
    assert torch.equal(scale, drawn["scale"])


def test_distributions_are_points_with_their_spread():
    output = torch.randn(3, 4, 12, 12)
    offered, _ = policy_of(RLELoss()).losses(output, batch())["distributions"]
    assert torch.equal(offered, torch.cat(soft_argmax(output, 4, TEMPERATURE), 2))


def test_heat_maps_that_are_right_are_right_for_losses_of_points_too():
    drawn = batch()
    for points in drawn["keypoints"]:
        points[..., :2] = 12 + points[..., :2] / 2
    present = torch.cat(drawn["keypoints"])
    present[..., 2] = 2
    policy = policy_of(HeatmapMSELoss(), WingLoss(), OKSLoss())
    _, measures = policy.job.loss(policy.losses(keypoint_heatmaps(present, (48, 48), 4, policy.sigma), drawn))
    assert measures["loss/HeatmapMSELoss"].mean < 1e-12
    assert measures["loss/WingLoss"].mean < 10 * math.log1p(0.3 / 2)
    assert measures["loss/OKSLoss"].mean < 0.02


@pytest.mark.parametrize(
    ("losses", "by_mean"),
    [
        ((HeatmapMSELoss(),), False),
        ((HeatmapMSELoss(), OKSLoss()), False),
        ((WingLoss(), OKSLoss()), True),
        ((RLELoss(),), True),
    ],
)
def test_points_are_found_as_they_were_trained(losses, by_mean):
    policy, output = policy_of(*losses), torch.randn(3, 4, 12, 12)
    expected = (soft_argmax(output, 4, TEMPERATURE) if by_mean else decode_heatmaps(output, 4))[0]
    assert torch.equal(policy.measures(output, batch())["keypoints"][0], expected)
    assert torch.equal(torch.cat([one["keypoints"] for one in policy.predictions(output)])[..., :2], expected)


def test_metrics_read_points_poses_and_heat_maps_of_the_same_crops():
    drawn, policy = batch(), policy_of(HeatmapMSELoss())
    for points in drawn["keypoints"]:
        points[..., :2] = 12 + points[..., :2] / 2
    truth = torch.cat(drawn["keypoints"])
    exact = keypoint_heatmaps(truth, (48, 48), 4, policy.sigma)
    pairs = policy.measures(exact.nan_to_num(), drawn)
    poses, true = pairs["poses"]
    assert torch.equal(torch.cat([pose["keypoints"] for pose in poses]), pairs["keypoints"][0])
    assert [pose["image_id"].item() for pose in true] == [0, 1, 2]
    assert [pose["area"].item() for pose in true] == [800, 800, 800]
    assert torch.equal(pairs["values"][1].nan_to_num(), exact.nan_to_num())
    policy.job.metrics.update(pairs)
    found = policy.job.metrics.compute().scalars
    assert found["pck"] == 1 and found["oks_ap"] > 0.9 and found["mse"] < 1e-12
