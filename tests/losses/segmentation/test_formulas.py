"""Values of surface, edge and Hausdorff losses against their formulas in numpy, distances by scipy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, maximum_filter

from dltools.cfgutils import FieldError
from dltools.losses import BoundaryLoss, HausdorffLoss, LossSum, Surface2EdgeLoss, SurfaceLoss

VOID = 255
WEIGHTS = [0.5, 2.0, 1.0, 0.25]


def batch(seed, shape=(2, 8, 7)):
    """Logits (N, 4, *spatial), ids of which some are absent and some void."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (shape[0], 4, *shape[1:]))
    ids = np.stack([rng.choice(rng.choice(4, 2, replace=False), shape[1:], p=[0.8, 0.2]) for _ in range(shape[0])])
    ids[rng.random(shape) < 0.1] = VOID
    return logits, ids


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def mean_of_regions(logits, ids, absent, weights, cost):
    """The mean of cost(p, inside) -> (value, amount) over images and classes; p is 0 where ids are void."""
    valid = ids != VOID
    p = softmax(logits) * valid[:, None]
    total = whole = 0.0
    for n in range(len(ids)):
        for c, weight in enumerate(weights):
            inside, places = ids[n] == c, valid[n].sum()
            value, amount = cost(p[n, c], inside, places)
            if not inside.any():
                amount *= absent != "skip"
                value = p[n, c].sum() / places if absent == "penalize" else value
            total, whole = total + weight * amount * value, whole + weight * amount
    return total / whole if whole else 0.0


def signed(inside, spacing):
    if inside.all() or not inside.any():
        return np.zeros(inside.shape)
    inner = distance_transform_edt(inside, spacing) - min(spacing)
    return np.where(inside, -inner, distance_transform_edt(~inside, spacing))


def diagonal(shape, spacing):
    return np.sqrt(np.square(np.multiply(shape, spacing)).sum())


def edges(values, size):
    return maximum_filter(1.0 - values, size, mode="nearest") - (1.0 - values)


common = {
    "seed": st.integers(0, 10_000),
    "absent": st.sampled_from(["skip", "penalize", "formula"]),
    "weights": st.sampled_from([None, WEIGHTS]),
    "spatial": st.sampled_from([((8, 7), None), ((6, 5), [2.0, 0.5]), ((4, 5, 3), [1.0, 2.0, 1.5])]),
}
some = settings(max_examples=40)


def check(make, seed, absent, weights, spatial, cost, **options):
    logits, ids = batch(seed, (2, *spatial[0]))
    expected = mean_of_regions(logits, ids, absent, weights or [1.0] * 4, cost)
    loss = make(ignore_index=VOID, absent=absent, class_weight=weights, **options)
    assert loss(torch.from_numpy(logits), torch.from_numpy(ids)).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@some
@given(**common, normalize=st.sampled_from(["none", "diagonal", "max"]))
def test_surface_is_the_mean_of_distance_times_probability(normalize, spatial, **chosen):
    spacing = spatial[1] or [1.0] * len(spatial[0])

    def cost(p, inside, places):
        phi = signed(inside, spacing)
        scale = {"none": 1.0, "diagonal": diagonal(p.shape, spacing), "max": np.abs(phi).max() or 1.0}[normalize]
        return (phi * p).sum() / places / scale, places

    check(SurfaceLoss, spatial=spatial, cost=cost, normalize=normalize, spacing=spatial[1], **chosen)


@some
@given(**common, alpha=st.sampled_from([1.0, 2.0, 1.5]))
def test_hausdorff_weighs_errors_by_their_distance_to_both_borders(alpha, spatial, **chosen):
    spacing = spatial[1] or [1.0] * len(spatial[0])

    def field(region, other):
        if region.any() and not region.all():
            near = distance_transform_edt(region, spacing) + distance_transform_edt(~region, spacing)
            return near**alpha
        alike = (region == other).all()
        return np.full(region.shape, 0.0 if alike else diagonal(region.shape, spacing) ** alpha)

    def cost(p, inside, places):
        valid_truth = inside.astype(float)
        fields = field(p > 0.5, inside) + field(inside, p > 0.5)
        return (np.square(p - valid_truth) * fields).sum() / places, places

    check(HausdorffLoss, spatial=spatial, cost=cost, alpha=alpha, spacing=spatial[1], **chosen)


@some
@given(**common, theta0=st.sampled_from([3, 5]), theta=st.sampled_from([1, 3, 5]))
def test_boundary_is_one_minus_the_f1_of_soft_edges(theta0, theta, **chosen):
    def cost(p, inside, places):
        found, true = edges(p, theta0), edges(inside.astype(float), theta0)
        precision = (found * maximum_filter(true, theta, mode="nearest")).sum() / max(found.sum(), 1e-300)
        recall = (true * maximum_filter(found, theta, mode="nearest")).sum() / max(true.sum(), 1e-300)
        return 1 - 2 * precision * recall / max(precision + recall, 1e-300), true.any() or not inside.any()

    check(BoundaryLoss, cost=cost, theta0=theta0, theta=theta, **chosen)


@some
@given(
    **common,
    variant=st.sampled_from([("edge", False), ("edge", True), ("prob", False)]),
    tau=st.sampled_from([None, 2.0]),
    alpha=st.sampled_from([1.0, 2.0]),
)
def test_surface2edge_is_the_mean_distance_to_the_true_edge(variant, tau, alpha, spatial, **chosen):
    spacing, (source, symmetric) = spatial[1] or [1.0] * len(spatial[0]), variant

    def power(edge):
        far = np.full(edge.shape, diagonal(edge.shape, spacing))
        distance = distance_transform_edt(~edge, spacing) if edge.any() else far
        return np.minimum(distance, tau or np.inf) ** alpha

    def cost(p, inside, places):
        true = edges(inside.astype(float), 3) > 0
        e = p if source == "prob" else edges(p, 3)
        value = (e * power(true)).sum() / max(e.sum(), 1e-300)
        if symmetric and true.any():
            back = power(edges((p > 0.5).astype(float), 3) > 0)
            value += (true * (1 - e) * back).sum() / true.sum()
        return value, true.any() or not inside.any()

    options = {"source": source, "symmetric": symmetric, "tau": tau, "alpha": alpha, "spacing": spatial[1]}
    check(Surface2EdgeLoss, spatial=spatial, cost=cost, **options, **chosen)


def answer(mask, certainty=50.0):
    """Logits that say a mask with certainty, (1, 1, *spatial)."""
    return certainty * (2.0 * torch.as_tensor(mask)[None, None] - 1)


MASKS = {"empty": np.zeros((16, 16)), "full": np.ones((16, 16)), "left": np.tri(16), "place": np.eye(16) * 0}
MASKS["place"][3, 4] = 1


def test_an_empty_answer_to_a_full_image_is_the_largest_hausdorff_loss_and_the_reverse():
    loss = HausdorffLoss(mode="binary")
    values = {
        (guess, truth): loss(answer(MASKS[guess]), torch.from_numpy(MASKS[truth])[None, None]).item()
        for guess in MASKS
        for truth in MASKS
    }
    assert values["empty", "full"] == values["full", "empty"] == max(values.values())
    assert values["empty", "full"] == pytest.approx(2 * 2 * 16**2)
    assert all(values[name, name] == pytest.approx(0, abs=1e-9) for name in MASKS)


@pytest.mark.parametrize("make", [BoundaryLoss, Surface2EdgeLoss, lambda **o: Surface2EdgeLoss(symmetric=True, **o)])
def test_an_exact_answer_costs_nothing_and_a_moved_one_the_more_the_farther_it_is_moved(make):
    mask = np.zeros((32, 32))
    mask[4:12, 5:13] = 1
    loss, truth = make(mode="binary"), torch.from_numpy(mask)[None, None]
    values = [loss(answer(np.roll(mask, shift, 1)), truth).item() for shift in (0, 3, 6, 9)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values == sorted(values)
    assert values[1] > 0.1


def test_the_average_surface_distance_of_hard_answers_is_that_of_their_edges():
    true, found = np.zeros((2, 20, 20))
    true[5:15, 5:15] = found[5:15, 9:19] = 1
    loss = Surface2EdgeLoss(mode="binary", symmetric=True, tau=None)
    one, other = edges(true, 3) > 0, edges(found, 3) > 0
    expected = distance_transform_edt(~one)[other].mean() + distance_transform_edt(~other)[one].mean()
    value = loss(answer(found), torch.from_numpy(true)[None, None]).item()
    assert value == pytest.approx(expected, rel=1e-6)


def test_surface_is_least_where_the_prediction_is_the_truth_or_within_it():
    mask = np.zeros((20, 20))
    mask[5:15, 5:15] = 1
    loss, truth = SurfaceLoss(mode="binary"), torch.from_numpy(mask)[None, None]
    right, moved, empty = (
        loss(answer(guess), truth).item() for guess in (mask, np.roll(mask, 4, 0), np.zeros_like(mask))
    )
    assert right < empty < moved
    assert not SurfaceLoss.is_nonnegative


@pytest.mark.parametrize("mode", ["multiclass", "multilabel"])
@pytest.mark.parametrize("make", [SurfaceLoss, HausdorffLoss])
def test_given_maps_stand_for_those_made_here(make, mode):
    logits, ids = (torch.from_numpy(array) for array in batch(3, (2, 16, 15)))
    maps = torch.stack(
        [torch.stack([torch.from_numpy(signed((one == c).numpy(), (1.0, 1.0))) for c in range(4)]) for one in ids]
    )
    loss, logits = make(mode=mode, ignore_index=VOID), logits.requires_grad_()
    here, exact, half = loss(logits, ids), loss(logits, ids, maps), loss(logits, ids, maps.half())
    torch.testing.assert_close(exact, here, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(half, here, rtol=1e-3, atol=1e-3)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (here, half)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_with_given_maps_ignoring_equals_cutting_out():
    logits, ids = (torch.from_numpy(array) for array in batch(4))
    maps = torch.randn(2, 4, 8, 7)
    marked = ids.clone()
    marked[..., 5:] = VOID
    loss = SurfaceLoss(ignore_index=VOID, absent="formula")
    torch.testing.assert_close(
        loss(logits, marked, maps), loss(logits[..., :5], ids[..., :5], maps[..., :5]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("make", [SurfaceLoss, HausdorffLoss, BoundaryLoss, Surface2EdgeLoss])
def test_ignoring_what_lies_away_from_a_region_equals_cutting_it_out(make):
    """Ignored places are outside of the region, as those that are cut out were."""
    labels = torch.zeros(2, 1, 12, 12)
    labels[:, :, 3:8, 2:7] = 1
    logits = torch.randn(2, 1, 12, 12) - 20 * (torch.arange(12) > 7)
    marked = labels.clone()
    marked[..., 9:] = VOID
    loss = make(mode="binary", ignore_index=VOID)
    torch.testing.assert_close(loss(logits, marked), loss(logits[..., :9], labels[..., :9]), rtol=1e-4, atol=1e-4)


def test_maps_of_another_shape_or_with_a_spacing_beside_them_are_refused():
    logits, ids = torch.randn(1, 4, 6, 5), torch.zeros(1, 6, 5, dtype=torch.long)
    with pytest.raises(ValueError, match=r"distance_maps must have the shape of the input, \(1, 4, 6, 5\), got \(1, 4"):
        SurfaceLoss()(logits, ids, torch.zeros(1, 4, 6, 6))
    with pytest.raises(FieldError, match="spacing must be None where distance maps are given"):
        SurfaceLoss(spacing=[1.0, 2.0])(logits, ids, torch.zeros_like(logits))
    with pytest.raises(ValueError, match="one value for each of 2 spatial dimensions"):
        SurfaceLoss(spacing=[1.0])(logits, ids)


def test_symmetric_surface2edge_needs_the_edge():
    with pytest.raises(FieldError, match="symmetric must be False with source=prob"):
        Surface2EdgeLoss(source="prob", symmetric=True)


def test_maps_are_made_once_for_all_terms_of_a_sum(monkeypatch):
    from dltools.losses.segmentation import distances

    calls = []
    regions = distances.Regions.signed
    monkeypatch.setattr(distances.Regions, "signed", lambda self, spacing: calls.append(self) or regions(self, spacing))
    logits, ids = (torch.from_numpy(array) for array in batch(5))
    options = SimpleNamespace(ignore_index=VOID)
    terms = {"surface": SurfaceLoss(**vars(options)), "hausdorff": HausdorffLoss(**vars(options))}
    total, _ = LossSum(terms)({"classes": (logits, ids)})
    assert len(calls) == 2  # the truth's, and the prediction's for hausdorff
    torch.testing.assert_close(total, sum(term(logits, ids) for term in terms.values()))
    LossSum(terms)({"classes": (logits, ids, torch.zeros_like(logits))})
    assert len(calls) == 2 + 3 + 1
