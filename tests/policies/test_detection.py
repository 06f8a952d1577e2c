"""What a detection policy offers its losses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from dltools.cfgutils import ConfigError
from dltools.losses import (
    APLoss,
    DistributionFocalLoss,
    FocalLoss,
    GIoULoss,
    L1Loss,
    LossSum,
    MIoULoss,
    QualityFocalLoss,
)
from dltools.losses.detection import BoxPair
from dltools.metrics.detection.average_precision import MeanAveragePrecision
from dltools.models.detector import FCOS
from dltools.policies.detection import DetectionPolicy

BATCH = {
    "boxes": [torch.tensor([[4.0, 8, 20, 30], [30, 30, 62, 60]]), torch.empty(0, 4), torch.tensor([[1.0, 1, 60, 40]])],
    "labels": [torch.tensor([2, 0]), torch.empty(0, dtype=torch.int64), torch.tensor([2])],
}
NOTHING = {"boxes": [torch.empty(0, 4)] * 3, "labels": [torch.empty(0, dtype=torch.int64)] * 3}
EVERY = {
    "focal": FocalLoss(mode="multilabel", alpha=0.25, normalizer="positives"),
    "ap": APLoss(),
    "giou": GIoULoss(),
    "l1": L1Loss(),
    "miou": MIoULoss(),
    "quality_focal": QualityFocalLoss(),
    "distribution_focal": DistributionFocalLoss(),
}


def policy_for(*names):
    policy = DetectionPolicy()
    policy.job = SimpleNamespace(
        data=SimpleNamespace(num_classes=3), loss=LossSum({name: EVERY[name] for name in names})
    )
    return policy


def output_of(bins=16):
    torch.manual_seed(0)
    model = FCOS(in_channels=3, num_classes=3, width=8, head_width=8, bins=bins)
    return {name: part.detach().requires_grad_() for name, part in model(torch.rand(3, 3, 64, 64)).items()}


def test_only_what_the_losses_read_is_computed():
    pairs = policy_for("focal", "giou").losses(output_of(), BATCH)
    assert set(pairs) == {"classes", "boxes", "values"}
    assert "quality" in policy_for("quality_focal").losses(output_of(), BATCH)


def test_labelled_boxes_carry_the_labels_of_their_objects():
    found, wanted, labels = policy_for("miou").losses(output_of(), BATCH)["labelled_boxes"]
    assert found.shape == wanted.shape == (len(labels), 4)
    annotated = zip(torch.cat(BATCH["boxes"]).tolist(), torch.cat(BATCH["labels"]).tolist(), strict=True)
    objects = {tuple(box): label for box, label in annotated}
    assert set(map(tuple, wanted.tolist())) == set(objects)
    assert [objects[tuple(box)] for box in wanted.tolist()] == labels.tolist()


def test_the_quality_of_a_positive_is_the_overlap_of_its_box():
    output = output_of()
    pairs = policy_for("quality_focal").losses(output, BATCH)
    (logits, classes), (_, quality) = pairs["classes"], pairs["quality"]
    assert torch.equal(logits, pairs["quality"][0])
    assert not quality.requires_grad
    assert not quality[classes == 0].any()
    overlap = BoxPair(*pairs["boxes"]).iou
    torch.testing.assert_close(quality[classes.any(1)].sum(1), overlap.detach())
    assert (classes <= 1).all()
    assert (classes > 0).sum() == len(overlap)


def test_distances_are_those_of_the_sides_of_the_objects():
    output = output_of()
    pairs = policy_for("distribution_focal").losses(output, BATCH)
    distances, sides = pairs["distances"]
    _, wanted = pairs["boxes"]
    assert distances.shape == (*sides.shape, 17)
    positive = pairs["classes"][1].any(1).nonzero().squeeze(1)
    for row, place in enumerate(positive.tolist()):
        x, y, stride = output["points"][place % len(output["points"])].tolist()
        x1, y1, x2, y2 = wanted[row].tolist()
        expected = [(x - x1) / stride, (y - y1) / stride, (x2 - x) / stride, (y2 - y) / stride]
        assert sides[row].tolist() == pytest.approx(expected, abs=1e-5)
        assert torch.equal(distances[row], output["distances"].flatten(0, 1)[place])


@pytest.mark.parametrize("batch", [BATCH, NOTHING], ids=["objects", "nothing"])
def test_every_loss_reads_what_it_is_offered(batch):
    output = output_of()
    policy = policy_for(*EVERY)
    total, _ = policy.job.loss(policy.losses(output, batch))
    total.backward()
    assert total.isfinite()
    for name in ("logits", "boxes", "distances"):
        assert output[name].grad.isfinite().all()
        assert output[name].grad.any() == (batch is BATCH or name == "logits")


def test_without_bins_the_error_says_how_to_get_them():
    with pytest.raises(ConfigError, match=r"model\.bins=16.* Got logits, boxes, points\."):
        policy_for("distribution_focal").losses(output_of(bins=0), BATCH)


def test_points_at_the_centre_of_an_object_that_is_found_have_full_quality():
    policy, output = policy_for("quality_focal"), output_of()
    output["boxes"] = torch.tensor([[1.0, 1, 60, 40]]).expand(3, len(output["points"]), 4)
    batch = {"boxes": [torch.tensor([[1.0, 1, 60, 40]])] * 3, "labels": [torch.tensor([1])] * 3}
    _, quality = policy.losses(output, batch)["quality"]
    assert set(quality.unique().tolist()) == {0.0, 1.0}


def crowded():
    """Return a batch whose first image has a crowd beside one object, and whose last has nothing else."""
    crowds = [torch.tensor([False, True]), torch.empty(0, dtype=torch.bool), torch.tensor([True])]
    areas = [torch.tensor([300.0, 900]), torch.empty(0), torch.tensor([2000.0])]
    return {**BATCH, "iscrowd": crowds, "area": areas, "index": torch.tensor([4, 9, 2])}


def test_no_point_stands_for_a_crowd():
    output, policy = output_of(), policy_for("focal", "giou")
    single = {
        "boxes": [boxes[~crowd] for boxes, crowd in zip(BATCH["boxes"], crowded()["iscrowd"], strict=True)],
        "labels": [labels[~crowd] for labels, crowd in zip(BATCH["labels"], crowded()["iscrowd"], strict=True)],
    }
    found, expected = policy.losses(output, crowded()), policy.losses(output, single)
    assert found["classes"][1].any() and torch.equal(found["classes"][1], expected["classes"][1])
    assert torch.equal(found["boxes"][1], expected["boxes"][1])


def test_metrics_are_told_of_areas_and_crowds_where_the_data_has_them():
    output, policy = output_of(), policy_for("focal")
    _, truths = policy.measures(output, crowded())["boxes"]
    assert [set(truth) for truth in truths] == [{"boxes", "labels", "area", "iscrowd", "image_id"}] * 3
    assert [int(truth["image_id"]) for truth in truths] == [4, 9, 2] and truths[0]["area"].tolist() == [300, 900]
    _, truths = policy.measures(output, {**BATCH, "index": torch.arange(3)})["boxes"]
    assert set(truths[0]) == {"boxes", "labels", "image_id"}


def test_a_detection_in_a_crowd_is_no_mistake():
    found = [{"boxes": BATCH["boxes"][0], "scores": torch.tensor([0.5, 0.9]), "labels": BATCH["labels"][0]}]
    _, truths = policy_for("focal").measures(output_of(), crowded())["boxes"]
    metric = MeanAveragePrecision()
    metric.update(found, truths[:1])
    assert metric.compute()["map"] == pytest.approx(1.0)
