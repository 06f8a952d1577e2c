"""GIoU against areas counted on a pixel grid, and boxes that break other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.losses import GIoULoss
from dltools.losses.boxes import BoxPair

side = st.integers(0, 12)


@st.composite
def boxes(draw):
    x1, y1, width, height = draw(side), draw(side), draw(st.integers(1, 8)), draw(st.integers(1, 8))
    return [x1, y1, x1 + width, y1 + height]


def cells(box):
    """Mark the cells of a 20 x 20 grid that an integer box covers."""
    grid = np.zeros((20, 20), dtype=bool)
    grid[box[1] : box[3], box[0] : box[2]] = True
    return grid


@given(first=boxes(), second=boxes())
def test_giou_is_what_counted_cells_say(first, second):
    a, b = cells(first), cells(second)
    hull = cells([*np.minimum(first, second)[:2], *np.maximum(first, second)[2:]]).sum()
    union = (a | b).sum()
    expected = (a & b).sum() / union - (hull - union) / hull
    pair = torch.tensor([first], dtype=torch.float64), torch.tensor([second], dtype=torch.float64)
    assert GIoULoss()(*pair).item() == pytest.approx(1 - expected, rel=1e-12)
    assert BoxPair(*pair).iou.item() == pytest.approx((a & b).sum() / union, rel=1e-12)


def test_the_loss_is_the_mean_over_boxes():
    first = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    second = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    assert GIoULoss()(first, second).item() == pytest.approx((0 + 1 + 10 / 30) / 2)


HARD = {
    "identical": ([0, 0, 10, 10], [0, 0, 10, 10]),
    "disjoint": ([0, 0, 1, 1], [5, 5, 6, 6]),
    "touching": ([0, 0, 1, 1], [1, 0, 2, 1]),
    "inside": ([2, 2, 3, 3], [0, 0, 10, 10]),
    "no width": ([5, 0, 5, 10], [0, 0, 10, 10]),
    "no height": ([0, 5, 10, 5], [0, 0, 10, 10]),
    "a point": ([5, 5, 5, 5], [0, 0, 10, 10]),
    "two points": ([5, 5, 5, 5], [5, 5, 5, 5]),
    "two points apart": ([1, 1, 1, 1], [5, 5, 5, 5]),
    "swapped corners": ([8, 8, 2, 2], [0, 0, 10, 10]),
    "both swapped": ([8, 8, 2, 2], [8, 8, 2, 2]),
    "far": ([1e4, 1e4, 2e4, 2e4], [0, 0, 1e4, 1e4]),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_value_and_gradient_are_finite_for(name, dtype):
    first, second = HARD[name]
    first = torch.tensor([first], dtype=dtype, requires_grad=True)
    value = GIoULoss()(first, torch.tensor([second], dtype=dtype))
    value.backward()
    assert 0 <= value <= 2
    assert first.grad.isfinite().all()


def test_half_precision_areas_do_not_overflow():
    boxes = torch.tensor([[0.0, 0, 2000, 2000]], dtype=torch.float16)
    assert GIoULoss()(boxes, boxes).item() == 0


def test_disjoint_boxes_are_pulled_together():
    first = torch.tensor([[20.0, 0, 30, 10]], requires_grad=True)
    GIoULoss()(first, torch.tensor([[0.0, 0, 10, 10]])).backward()
    assert first.grad[0, [0, 2]].sum() > 0


def test_no_boxes_cost_nothing_and_keep_the_graph():
    boxes = torch.zeros(0, 4, requires_grad=True)
    value = GIoULoss()(boxes, torch.zeros(0, 4))
    value.backward()
    assert value == 0
    assert value.shape == ()
    assert boxes.grad.shape == (0, 4)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"boxes must be \(Q, 4\) in both, got \(2, 5\) and \(2, 5\)"):
        GIoULoss()(torch.rand(2, 5), torch.rand(2, 5))
