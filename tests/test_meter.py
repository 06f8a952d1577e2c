"""Running means."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dltools.losses import Measure
from dltools.meter import Meter


def test_totals_are_divided_by_their_weights_once_and_the_meter_starts_afresh():
    meter, values, weights = Meter(), np.array([0.1, 0.7, 0.3]), np.array([32, 0, 5])
    for value, weight in zip(values, weights, strict=True):
        meter.add({"loss": Measure(torch.tensor(value * weight), torch.tensor(float(weight)))})
    assert meter.compute()["loss"] == pytest.approx(np.average(values, weights=weights), abs=1e-12)
    assert meter.compute() == {}


def test_plain_scalars_count_alike():
    meter = Meter()
    for value in (1.0, 2.0, 6.0):
        meter.add({"grad_norm": torch.tensor(value)})
    assert meter.compute() == {"grad_norm": 3.0}


def test_a_meter_loses_no_small_value_beside_many_large_ones():
    meter = Meter()
    for _ in range(1000):
        meter.add({"loss": torch.tensor(16777217.0, dtype=torch.float64)})
    assert meter.compute()["loss"] == 16777217.0


def test_what_weighs_nothing_has_no_mean_and_what_is_not_finite_keeps_its_name():
    meter = Meter()
    meter.add({"none": Measure(torch.zeros(()), torch.zeros(())), "bad": torch.tensor(float("nan"))})
    means = meter.compute()
    assert list(means) == ["bad"]
    assert np.isnan(means["bad"])
