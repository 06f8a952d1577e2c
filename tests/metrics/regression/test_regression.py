"""Metrics of values against NumPy and scikit-learn."""

from __future__ import annotations

import fractions
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error

from dltools.cfgutils import FieldError
from dltools.metrics.combine import MetricSet
from dltools.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    PeakSignalNoiseRatio,
    R2Score,
    RootMeanSquaredError,
)
from dltools.metrics.regression.errors import total_of

TRUTHS = {
    MeanAbsoluteError: mean_absolute_error,
    MeanSquaredError: mean_squared_error,
    RootMeanSquaredError: root_mean_squared_error,
    R2Score: r2_score,
}
every_metric = pytest.mark.parametrize("make", [*TRUTHS, PeakSignalNoiseRatio])


def value(metric, *batches):
    for preds, target in batches:
        metric.update(torch.as_tensor(preds), torch.as_tensor(target))
    return metric.compute().item()


def pair(seed, shape=(6, 3, 4), offset=0.0):
    rng = np.random.default_rng(seed)
    target = offset + rng.normal(size=shape)
    return target + 0.3 * rng.normal(size=shape), target


@pytest.mark.parametrize("make", TRUTHS)
@given(seed=st.integers(0, 10_000), shape=st.sampled_from([(2,), (20,), (4, 3), (3, 2, 5, 4)]))
def test_it_is_what_scikit_learn_says(make, seed, shape):
    preds, target = pair(seed, shape)
    assert value(make(), (preds, target)) == pytest.approx(TRUTHS[make](target.ravel(), preds.ravel()), rel=1e-12)


@given(
    hnp.arrays(np.float64, (2, 7), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from([1.0, 255.0]),
)
def test_psnr_of_a_data_set_is_that_of_its_mean_squared_error(pairs, data_range):
    error = np.mean((pairs[0] - pairs[1]) ** 2)
    expected = math.inf if error == 0 else 10 * math.log10(data_range**2 / error)
    metric = PeakSignalNoiseRatio(data_range=data_range, per_image=False)
    assert value(metric, (pairs[0][:, None], pairs[1][:, None])) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_psnr_is_the_mean_over_images():
    preds, target = pair(0, (5, 3, 8, 8))
    each = [10 * math.log10(255**2 / np.mean((p - t) ** 2)) for p, t in zip(preds, target, strict=True)]
    assert value(PeakSignalNoiseRatio(data_range=255), (preds, target)) == pytest.approx(np.mean(each), rel=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("shape", [(1000,), (40, 5, 5)])
def test_no_digits_are_lost_where_values_are_large_against_their_spread(offset, shape):
    preds, target = pair(1, shape, offset)
    p, t = ([fractions.Fraction(float(number)) for number in values.ravel()] for values in (preds, target))
    mean = sum(t) / len(t)
    unexplained = sum((a - b) ** 2 for a, b in zip(p, t, strict=True))
    expected = float(1 - unexplained / sum((b - mean) ** 2 for b in t))
    batches = [(preds[i : i + 7], target[i : i + 7]) for i in range(0, len(preds), 7)]
    assert value(R2Score(), *batches) == pytest.approx(expected, rel=max(1e-12, 1e-18 * offset))


@every_metric
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 6), shape=st.sampled_from([(6,), (6, 4), (6, 3, 5, 4)]))
def test_the_split_and_the_order_of_batches_do_not_matter(make, seed, cut, shape):
    whole = pair(seed, shape)
    one, other = [part[:cut] for part in whole], [part[cut:] for part in whole]
    assert value(make(), one, other) == value(make(), whole) == value(make(), other, one)


@every_metric
def test_where_the_truth_is_unknown_nothing_counts(make):
    preds, target = pair(2, (6, 4))
    preds[1, 2] = np.nan
    target[1, 2:] = np.nan
    target[4] = np.nan
    if make is PeakSignalNoiseRatio:
        each = [-10 * math.log10(np.nanmean((preds[i] - target[i]) ** 2)) for i in (0, 1, 2, 3, 5)]
        assert value(make(), (preds, target)) == pytest.approx(np.mean(each))
    else:
        known = ~np.isnan(target)
        assert value(make(), (preds, target)) == pytest.approx(TRUTHS[make](target[known], preds[known]), rel=1e-12)


@every_metric
def test_a_prediction_that_is_nan_makes_it_nan(make):
    preds, target = pair(3, (6, 4))
    preds[2, 1] = np.nan
    assert math.isnan(value(make(), (preds, target)))


def test_a_prediction_of_infinity_is_infinitely_wrong():
    preds, target = pair(3, (6, 4))
    preds[2, 1] = np.inf
    assert value(MeanAbsoluteError(), (preds, target)) == math.inf
    assert value(R2Score(), (preds, target)) == -math.inf
    assert value(PeakSignalNoiseRatio(), (preds, target)) == -math.inf


@every_metric
def test_without_values_it_is_undefined(make):
    assert make().compute().isnan()
    assert math.isnan(value(make(), (np.zeros((0, 3, 4)), np.zeros((0, 3, 4)))))
    assert math.isnan(value(make(), (np.zeros((3, 0)), np.zeros((3, 0)))))
    assert math.isnan(value(make(), (np.zeros((3, 2)), np.full((3, 2), np.nan))))


@given(constant=st.floats(-1e9, 1e9), shape=st.sampled_from([(1,), (7,), (3, 7), (5, 999), (5, 3, 11, 13)]))
def test_r2_is_undefined_where_the_truth_does_not_vary(constant, shape):
    target = np.full(shape, constant)
    assert math.isnan(value(R2Score(), (target + 1, target), (target, target)))
    assert math.isnan(value(R2Score(), (target, target)))


def test_images_that_are_predicted_exactly_have_an_infinite_psnr():
    preds, target = pair(4, (3, 2, 4, 4))
    preds[1] = target[1]
    assert value(PeakSignalNoiseRatio(), (preds, target)) == math.inf
    assert math.isfinite(value(PeakSignalNoiseRatio(per_image=False), (preds, target)))
    assert value(PeakSignalNoiseRatio(per_image=False), (target, target)) == math.inf


@every_metric
def test_perfect_predictions_have_the_best_value(make):
    _, target = pair(5)
    best = {R2Score: 1.0, PeakSignalNoiseRatio: math.inf}.get(make, 0.0)
    assert value(make(), (target, target)) == best


@every_metric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.uint8, torch.int64])
def test_values_of_any_dtype_are_compared_in_full_precision(make, dtype):
    preds, target = (torch.randint(0, 256, (4, 3, 20, 20)).to(dtype) for _ in range(2))
    assert value(make(), (preds, target)) == value(make(), (preds.double(), target.double()))


def test_a_difference_of_half_precision_does_not_overflow():
    preds, target = torch.full((2, 9), 300, dtype=torch.float16), torch.zeros(2, 9, dtype=torch.float16)
    assert value(MeanSquaredError(), (preds, target)) == 90_000


@every_metric
def test_neither_samples_larger_than_the_cache_nor_a_transposed_layout_change_it(make):
    preds, target = pair(10, (3, 300, 250))
    found = value(make(), (preds, target))
    if make in TRUTHS:
        assert found == pytest.approx(TRUTHS[make](target.ravel(), preds.ravel()), rel=1e-12)
    flipped = [torch.from_numpy(values).transpose(1, 2).contiguous().transpose(1, 2) for values in (preds, target)]
    assert value(make(), flipped) == found


def test_what_is_measured_is_not_changed():
    preds, target = (torch.from_numpy(values) for values in pair(11))
    before = preds.clone(), target.clone()
    MeanAbsoluteError().update(preds, target)
    assert torch.equal(preds, before[0]) and torch.equal(target, before[1])


def test_numbers_without_a_dimension_are_one_sample():
    assert value(MeanAbsoluteError(), (3.0, 1.0), (5.0, 1.0)) == 3


def test_points_are_values_too():
    preds, target = pair(6, (4, 5, 2))
    assert value(RootMeanSquaredError(), (preds, target)) == pytest.approx(np.sqrt(np.mean((preds - target) ** 2)))


def test_all_metrics_of_values_share_one_state():
    together = MetricSet({make.name: make() for make in [*TRUTHS, PeakSignalNoiseRatio]})
    assert len({metric.state for metric in together.metrics.values()}) == 1
    preds, target = pair(7)
    together.update({"values": (torch.from_numpy(preds), torch.from_numpy(target))})
    scalars = together.compute().scalars
    assert scalars == {make.name: value(make(), (preds, target)) for make in [*TRUTHS, PeakSignalNoiseRatio]}


@every_metric
def test_a_reset_forgets_everything(make):
    metric = make()
    value(metric, pair(8))
    metric.reset()
    assert metric.compute().isnan()
    assert value(metric, pair(9)) == value(make(), pair(9))


def test_a_batch_is_never_waited_for():
    MeanAbsoluteError().to("meta").update(torch.rand(2, 3, device="meta"), torch.rand(2, 3, device="meta"))


@every_metric
def test_shapes_that_differ_are_refused_also_where_they_would_broadcast(make):
    for preds, target in [((4, 1), (4,)), ((4,), (1,)), ((2, 3), (3, 2))]:
        with pytest.raises(ValueError, match=r"must be numbers of one shape \(N, \.\.\.\), got preds"):
            make().update(torch.rand(preds), torch.rand(target))
    with pytest.raises(ValueError, match=r"got preds .* torch\.complex64"):
        make().update(torch.rand(3).to(torch.complex64), torch.rand(3))


def test_a_range_of_nothing_is_refused():
    with pytest.raises(FieldError, match="data_range must be greater than 0, got 0"):
        PeakSignalNoiseRatio(data_range=0)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1e16, 1.0, -1e16], 1.0),
        ([1e308, 1e308], math.inf),
        ([1.0, math.inf], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([1.0, math.nan], math.nan),
        ([], 0.0),
    ],
)
def test_a_total_is_rounded_once(numbers, expected):
    assert total_of(torch.tensor(numbers, dtype=torch.float64)).item() == pytest.approx(expected, rel=0, nan_ok=True)
