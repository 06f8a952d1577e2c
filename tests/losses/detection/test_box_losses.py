"""Losses of boxes against their papers' formulas in numpy, and boxes that break other implementations."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses.detection import (
    AlphaIoULoss,
    BoxPair,
    CIoULoss,
    DIoULoss,
    EIoULoss,
    GIoULoss,
    IoULoss,
    MIoULoss,
    SIoULoss,
)


def parts(a, b):
    """What the papers' formulas are made of, for two proper boxes as x1, y1, x2, y2."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a, b
    common = max(min(ax2, bx2) - max(ax1, bx1), 0) * max(min(ay2, by2) - max(ay1, by1), 0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common
    cw, ch = max(ax2, bx2) - min(ax1, bx1), max(ay2, by2) - min(ay1, by1)
    dx, dy = (ax1 + ax2 - bx1 - bx2) / 2, (ay1 + ay2 - by1 - by2) / 2
    return common / union, union, cw, ch, dx, dy, (ax2 - ax1, ay2 - ay1), (bx2 - bx1, by2 - by1)


def iou(a, b):
    return 1 - parts(a, b)[0]


def giou(a, b):
    overlap, union, cw, ch, *_ = parts(a, b)
    return 1 - overlap + (cw * ch - union) / (cw * ch)


def diou(a, b):
    overlap, _, cw, ch, dx, dy, *_ = parts(a, b)
    return 1 - overlap + (dx**2 + dy**2) / (cw**2 + ch**2)


def aspect(a, b):
    overlap, *_, (aw, ah), (bw, bh) = parts(a, b)
    v = 4 / np.pi**2 * (np.arctan(bw / bh) - np.arctan(aw / ah)) ** 2
    return v, v / (1 - overlap + v) if v > 0 else 0.0


def ciou(a, b, weight=None):
    v, alpha = aspect(a, b)
    return diou(a, b) + (alpha if weight is None else weight) * v


def eiou(a, b):
    _, _, cw, ch, _, _, (aw, ah), (bw, bh) = parts(a, b)
    return diou(a, b) + (aw - bw) ** 2 / cw**2 + (ah - bh) ** 2 / ch**2


def siou(a, b, theta=4):
    overlap, _, cw, ch, dx, dy, (aw, ah), (bw, bh) = parts(a, b)
    sigma = np.hypot(dx, dy)
    angle = 1 - 2 * np.sin(np.arcsin(abs(dy) / sigma) - np.pi / 4) ** 2 if sigma > 0 else 0.0
    distance = sum(1 - np.exp(-(2 - angle) * (d / c) ** 2) for d, c in ((dx, cw), (dy, ch)))
    shape = sum((1 - np.exp(-abs(p - q) / max(p, q))) ** theta for p, q in ((aw, bw), (ah, bh)))
    return 1 - overlap + (distance + shape) / 2


def alpha_ciou(a, b, alpha, weight=None):
    overlap, _, cw, ch, dx, dy, *_ = parts(a, b)
    v, own = aspect(a, b)
    reach = (dx**2 + dy**2) / (cw**2 + ch**2)
    return 1 - overlap**alpha + reach**alpha + ((own if weight is None else weight) * v) ** alpha


CASES = {
    "iou": (IoULoss(), iou),
    "iou log": (IoULoss(form="log"), lambda a, b: -np.log(max(1 - iou(a, b), 1e-7))),
    "iou square": (IoULoss(form="square"), lambda a, b: 1 - (1 - iou(a, b)) ** 2),
    "giou": (GIoULoss(), giou),
    "diou": (DIoULoss(), diou),
    "ciou": (CIoULoss(), ciou),
    "eiou": (EIoULoss(), eiou),
    "focal eiou": (EIoULoss(gamma=0.5), lambda a, b: (1 - iou(a, b)) ** 0.5 * eiou(a, b)),
    "siou": (SIoULoss(), siou),
    "siou theta 2": (SIoULoss(theta=2), lambda a, b: siou(a, b, 2)),
    "alpha_iou": (AlphaIoULoss(), lambda a, b: 1 - (1 - iou(a, b)) ** 3),
    "alpha_iou 0.5": (AlphaIoULoss(alpha=0.5), lambda a, b: 1 - (1 - iou(a, b)) ** 0.5),
    "alpha giou": (
        AlphaIoULoss(alpha=2, penalty="giou"),
        lambda a, b: 1 - (1 - iou(a, b)) ** 2 + (giou(a, b) - iou(a, b)) ** 2,
    ),
    "alpha ciou": (AlphaIoULoss(alpha=3, penalty="ciou"), lambda a, b: alpha_ciou(a, b, 3)),
    "miou": (MIoULoss(), iou),
}
every_loss = pytest.mark.parametrize("name", CASES)
pulling = pytest.mark.parametrize("name", ["giou", "diou", "ciou", "eiou", "siou"])
WEIGHED = {"ciou", "focal eiou", "alpha ciou"}  # they hold a factor that gradients do not see

place = st.integers(-5000, 5000).map(lambda hundredths: hundredths / 100)
length = st.integers(50, 6000).map(lambda hundredths: hundredths / 100)


@st.composite
def a_box(draw):
    x1, y1 = draw(place), draw(place)
    return [x1, y1, x1 + draw(length), y1 + draw(length)]


def rows(*boxes, **options):
    return torch.tensor(boxes, **{"dtype": torch.float64, **options})


def value_and_gradient(loss, first, second):
    first = first.detach().clone().requires_grad_()
    value = loss(first, second)
    value.backward()
    return value.detach(), first.grad


def random_pairs(count, seed=0, dtype=torch.float64):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 30, (2, count, 2))
    both = np.concatenate([low, low + generator.uniform(1, 30, (2, count, 2))], axis=2)
    return torch.from_numpy(both[0]).to(dtype), torch.from_numpy(both[1]).to(dtype)


@every_loss
@settings(max_examples=25)
@given(first=a_box(), second=a_box())
def test_the_value_is_that_of_the_papers_formula(name, first, second):
    loss, formula = CASES[name]
    assert loss(rows(first), rows(second)).item() == pytest.approx(formula(first, second), rel=1e-9, abs=1e-9)


def test_overlap_and_gap_are_what_counted_cells_say():
    generator = np.random.default_rng(0)
    for _ in range(50):
        low = generator.integers(0, 10, (2, 2))
        first, second = np.concatenate([low, low + generator.integers(1, 9, (2, 2))], axis=1)
        a, b = (np.zeros((20, 20), bool) for _ in range(2))
        hull = np.zeros((20, 20), bool)
        a[first[1] : first[3], first[0] : first[2]] = True
        b[second[1] : second[3], second[0] : second[2]] = True
        least, most = np.minimum(first, second), np.maximum(first, second)
        hull[least[1] : most[3], least[0] : most[2]] = True
        pair = BoxPair(rows(list(first)), rows(list(second)))
        assert pair.iou.item() == pytest.approx((a & b).sum() / (a | b).sum())
        assert pair.gap.item() == pytest.approx(1 - (a | b).sum() / hull.sum())


@pytest.mark.parametrize("name", [name for name in CASES if name not in WEIGHED])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_the_value(name, seed):
    first, second = random_pairs(5, seed)
    assert torch.autograd.gradcheck(CASES[name][0], (first.requires_grad_(), second.requires_grad_()))


def slope(formula, first, second, step=1e-6):
    """Central differences of a formula in the corners of the first box."""
    moved = [(np.array(first) + step * unit, np.array(first) - step * unit) for unit in np.eye(4)]
    return [(formula(more, second) - formula(less, second)) / (2 * step) for more, less in moved]


@pytest.mark.parametrize("seed", range(10))
def test_no_gradient_flows_through_the_weights(seed):
    (first,), (second,) = (boxes.tolist() for boxes in random_pairs(1, seed))
    _, alpha = aspect(first, second)
    focal = (1 - iou(first, second)) ** 0.5
    for loss, frozen in (
        (CIoULoss(), lambda a, b: ciou(a, b, alpha)),
        (AlphaIoULoss(alpha=2, penalty="ciou"), lambda a, b: alpha_ciou(a, b, 2, alpha)),
        (EIoULoss(gamma=0.5), lambda a, b: focal * eiou(a, b)),
    ):
        _, gradient = value_and_gradient(loss, rows(first), rows(second))
        assert gradient[0].tolist() == pytest.approx(slope(frozen, first, second), abs=1e-7)


@every_loss
@settings(max_examples=25)
@given(first=a_box(), second=a_box())
def test_it_does_not_matter_which_box_is_the_target(name, first, second):
    loss = CASES[name][0]
    torch.testing.assert_close(loss(rows(first), rows(second)), loss(rows(second), rows(first)))


@every_loss
@settings(max_examples=25)
@given(seed=st.integers(0, 1000), shift=st.floats(-100, 100), scale=st.floats(0.01, 1000))
def test_neither_place_nor_unit_of_length_matter(name, seed, shift, scale):
    loss, (first, second) = CASES[name][0], random_pairs(4, seed)
    expected = loss(first, second)
    torch.testing.assert_close(loss(first + shift, second + shift), expected)
    torch.testing.assert_close(loss(first * scale, second * scale), expected)


@every_loss
@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_pairs_does_not_matter(name, seed):
    loss, (first, second) = CASES[name][0], random_pairs(6, seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    value, gradient = value_and_gradient(loss, first, second)
    same, permuted = value_and_gradient(loss, first[order], second[order])
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(permuted, gradient[order])


@every_loss
@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_mirrored_and_turned_boxes_cost_the_same(name, seed):
    loss, (first, second) = CASES[name][0], random_pairs(4, seed)
    expected = loss(first, second)
    for axes, sign in (([1, 0, 3, 2], 1), ([2, 1, 0, 3], torch.tensor([-1, 1, -1, 1]))):
        torch.testing.assert_close(loss(first[:, axes] * sign, second[:, axes] * sign), expected)


@every_loss
def test_the_loss_is_the_mean_over_pairs(name):
    loss, (first, second) = CASES[name][0], random_pairs(7)
    each = torch.stack([loss(first[at : at + 1], second[at : at + 1]) for at in range(7)])
    torch.testing.assert_close(loss(first, second), each.mean())


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_identical_boxes_cost_nothing(name, dtype):
    boxes = rows([0, 0, 10, 10], [3, 5, 2000, 900], dtype=dtype)
    value, gradient = value_and_gradient(CASES[name][0], boxes, boxes)
    assert value.dtype == torch.float32
    assert value.item() == 0
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


HARD = {
    "disjoint": ([0, 0, 1, 1], [5, 5, 6, 6]),
    "touching": ([0, 0, 1, 1], [1, 0, 2, 1]),
    "inside": ([2, 2, 3, 3], [0, 0, 10, 10]),
    "no width": ([5, 0, 5, 10], [0, 0, 10, 10]),
    "no height": ([0, 5, 10, 5], [0, 0, 10, 10]),
    "both without height": ([0, 5, 10, 5], [0, 5, 10, 5]),
    "a point": ([5, 5, 5, 5], [0, 0, 10, 10]),
    "a point as target": ([0, 0, 10, 10], [5, 5, 5, 5]),
    "two points": ([5, 5, 5, 5], [5, 5, 5, 5]),
    "two points apart": ([1, 1, 1, 1], [5, 5, 5, 5]),
    "swapped corners": ([8, 8, 2, 2], [0, 0, 10, 10]),
    "one axis swapped": ([8, 2, 2, 8], [0, 0, 10, 10]),
    "both swapped": ([8, 8, 2, 2], [8, 8, 2, 2]),
    "far": ([1e4, 1e4, 2e4, 2e4], [0, 0, 1e4, 1e4]),
    "far and tiny": ([1e4, 1e4, 1e4, 1e4], [0, 0, 1, 1]),
    "a sliver": ([0, 0, 1e4, 1e-4], [0, 0, 1e-4, 1e4]),
    "negative": ([-1e4, -1e4, -9e3, -9e3], [-1e4, -1e4, 1e4, 1e4]),
    "2000 pixels": ([0, 0, 2000, 2000], [16, 16, 1984, 2000]),
}
LARGEST = {"iou log": 16.2, "focal eiou": 8, "eiou": 8, "ciou": 3, "siou": 2.5, "siou theta 2": 2.5, "alpha ciou": 3}


@every_loss
@pytest.mark.parametrize("case", HARD)
def test_value_and_gradient_are_finite_for(name, case):
    for dtype in (torch.float64, torch.float32, torch.float16):
        first, second = (rows(box, dtype=dtype) for box in HARD[case])
        value, gradient = value_and_gradient(CASES[name][0], first, second)
        assert 0 <= value <= LARGEST.get(name, 2)
        assert gradient.isfinite().all()


def test_half_precision_areas_do_not_overflow():
    first, second = (rows(box, dtype=torch.float16) for box in HARD["2000 pixels"])
    for loss, formula in CASES.values():
        assert loss(first, second).item() == pytest.approx(formula(*HARD["2000 pixels"]), abs=1e-5)


@pulling
def test_disjoint_boxes_are_pulled_together(name):
    _, gradient = value_and_gradient(CASES[name][0], rows([20, 0, 30, 10]), rows([0, 0, 10, 10]))
    assert gradient[0, [0, 2]].sum() > 0


@pulling
def test_moving_away_costs_more(name):
    costs = [CASES[name][0](rows([far, 0, far + 10, 10]), rows([0, 0, 10, 10])) for far in (0, 5, 12, 30, 90)]
    assert costs == sorted(costs)


def test_forms_of_the_overlap_have_no_gradient_for_disjoint_boxes():
    for name in ("iou", "iou log", "iou square", "alpha_iou", "alpha_iou 0.5", "miou"):
        value, gradient = value_and_gradient(CASES[name][0], rows([20, 0, 30, 10]), rows([0, 0, 10, 10]))
        assert value > 0
        assert not gradient.any()


def test_no_boxes_cost_nothing_and_keep_the_graph():
    for loss, _ in CASES.values():
        boxes = torch.zeros(0, 4, requires_grad=True)
        value = loss(boxes, torch.zeros(0, 4))
        value.backward()
        assert value == 0
        assert value.shape == ()
        assert boxes.grad.shape == (0, 4)


def test_alpha_one_is_the_plain_loss():
    first, second = random_pairs(5)
    for penalty, loss in (("none", IoULoss()), ("giou", GIoULoss()), ("diou", DIoULoss()), ("ciou", CIoULoss())):
        torch.testing.assert_close(AlphaIoULoss(alpha=1, penalty=penalty)(first, second), loss(first, second))


@given(seed=st.integers(0, 1000), classes=st.integers(1, 5))
def test_miou_is_the_mean_of_the_means_of_the_classes(seed, classes):
    first, second = random_pairs(9, seed)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, 9) * 7)
    each = [iou(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    means = [np.mean([cost for cost, of in zip(each, labels, strict=True) if of == label]) for label in labels.unique()]
    assert MIoULoss()(first, second, labels).item() == pytest.approx(np.mean(means))
    assert MIoULoss()(first, second, labels.to(torch.uint8)).item() == pytest.approx(np.mean(means))


def test_miou_refuses_labels_that_do_not_belong_to_the_boxes():
    with pytest.raises(ValueError, match=r"labels must be \(Q,\) for boxes \(Q, 4\), got \(2,\) and \(3, 4\)"):
        MIoULoss()(torch.rand(3, 4), torch.rand(3, 4), torch.zeros(2, dtype=torch.int64))


@every_loss
@pytest.mark.parametrize("shapes", [((2, 5), (2, 5)), ((2, 4), (3, 4)), ((4,), (4,)), ((1, 2, 4), (1, 2, 4))])
def test_other_shapes_are_refused(name, shapes):
    first, second = (torch.rand(shape) for shape in shapes)
    expected = f"boxes must be (Q, 4) in both, got {shapes[0]} and {shapes[1]}".replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=expected):
        CASES[name][0](first, second)


def test_integer_boxes_are_refused():
    with pytest.raises(ValueError, match=r"input must be floating, got torch\.int64"):
        IoULoss()(torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("make", "options", "field"),
    [
        (IoULoss, {"form": "cubic"}, "form"),
        (AlphaIoULoss, {"alpha": 0}, "alpha"),
        (AlphaIoULoss, {"penalty": "siou"}, "penalty"),
        (EIoULoss, {"gamma": -1}, "gamma"),
        (SIoULoss, {"theta": 0.5}, "theta"),
    ],
)
def test_impossible_options_are_refused(make, options, field):
    with pytest.raises(FieldError, match=f"^{field} must be"):
        make(**options)


@every_loss
def test_a_batch_is_never_waited_for(name):
    boxes = torch.rand(3, 4, device="meta", requires_grad=True)
    CASES[name][0](boxes, torch.rand(3, 4, device="meta")).backward()
    assert boxes.grad.shape == (3, 4)


@every_loss
def test_it_compiles_without_a_graph_break(name):
    torch._dynamo.reset()
    loss, (first, second) = CASES[name][0], random_pairs(5, dtype=torch.float32)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(
        value_and_gradient(compiled, first, second), value_and_gradient(loss, first, second), strict=True
    ):
        torch.testing.assert_close(actual, expected)


@every_loss
def test_it_survives_pickle_and_deepcopy_saves_nothing_and_changes_no_input(name):
    loss, (first, second) = CASES[name][0], random_pairs(3)
    before = first.clone(), second.clone()
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(first, second), loss(first, second))
    assert loss.state_dict() == {}
    assert torch.equal(first, before[0])
    assert torch.equal(second, before[1])
