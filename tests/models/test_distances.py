"""Sides of boxes as distributions of distances."""

import pytest
import torch

from dltools.cfgutils import FieldError
from dltools.models.detector import FCOS
from dltools.models.points import expected_sides, make_points, sides_from


def detector(bins):
    torch.manual_seed(0)
    return FCOS(in_channels=3, num_classes=5, width=8, head_width=8, bins=bins)


def test_the_expected_side_is_the_mean_of_the_distribution():
    share = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(expected_sides(share.log()), torch.tensor([0.75, 2.0], dtype=torch.float64))


def test_autocast_does_not_round_the_expected_side():
    logits = torch.randn(3, 17)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = expected_sides(logits)
    assert torch.equal(mixed, expected_sides(logits))


def test_sides_are_counted_in_strides_of_the_point():
    points = torch.tensor([[10.0, 20, 4], [10, 20, 8]])
    boxes = torch.tensor([[2.0, 16, 14, 28], [10, 12, 26, 60]])
    assert sides_from(points, boxes).tolist() == [[2, 1, 1, 2], [0, 1, 2, 5]]


def test_without_bins_a_detector_predicts_no_distributions():
    assert set(detector(0)(torch.rand(1, 3, 64, 64))) == {"logits", "boxes", "points"}


def test_boxes_are_the_means_of_their_distributions():
    output = detector(16)(torch.rand(2, 3, 64, 48))
    count = len(output["points"])
    assert output["distances"].shape == (2, count, 4, 17)
    sides = (output["distances"].softmax(-1) * torch.arange(17)).sum(-1)
    torch.testing.assert_close(
        sides_from(output["points"].repeat(2, 1), output["boxes"].flatten(0, 1)), sides.flatten(0, 1)
    )


def test_distributions_that_are_sure_of_the_targets_give_their_boxes():
    points = make_points([(4, 4)], [8], torch.empty(0))
    boxes = torch.cat([points[:, :2] - torch.tensor([8.0, 16]), points[:, :2] + torch.tensor([24.0, 0])], dim=1)
    sides = sides_from(points, boxes)
    logits = torch.nn.functional.one_hot(sides.long(), 5).float() * 1e3
    assert torch.equal(expected_sides(logits), sides)


def test_both_heads_of_a_detector_with_bins_learn():
    network = detector(4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # at first, blocks are identities and answers constants, so that some gradients are zero
        optimizer.zero_grad()
        output = network(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
        (output["logits"].mean() + output["distances"].square().mean() + output["boxes"].std()).backward()
        optimizer.step()
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in network.parameters())


def test_a_negative_number_of_bins_is_refused():
    with pytest.raises(FieldError, match=r"^bins must be at least 0, got -1"):
        detector(-1)
