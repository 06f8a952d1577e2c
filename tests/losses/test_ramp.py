"""Weights that change over the training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses import DiceLoss, Ramp


def factors(**fields):
    ramp = Ramp(begin="10st", end="30st", **fields)
    return [ramp.factor(step, steps_per_epoch=5, total_steps=100) for step in (0, 10, 15, 20, 29, 30, 99)]


def test_without_a_shape_a_weight_stays_as_it_is():
    assert factors(shape="none", start=0.3) == [1] * 7


def test_shapes_go_from_the_start_to_one():
    assert factors(shape="linear", start=0.2) == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.96, 1, 1])
    cosine = [0, 0, (1 - np.cos(np.pi / 4)) / 2, 0.5, (1 - np.cos(np.pi * 0.95)) / 2, 1, 1]
    assert factors(shape="cosine") == pytest.approx(cosine)
    assert factors(shape="step", start=0.5) == [0.5] * 5 + [1, 1]


@given(st.sampled_from(["linear", "cosine", "step"]), st.floats(0, 3), st.integers(0, 100), st.integers(0, 100))
def test_a_factor_lies_between_start_and_one(shape, start, step, length):
    ramp = Ramp(shape=shape, start=start, begin="0st", end=f"{length}st")
    value = ramp.factor(step, steps_per_epoch=10, total_steps=100)
    assert min(start, 1) - 1e-9 <= value <= max(start, 1) + 1e-9


def test_spans_may_be_epochs_or_shares_of_the_training():
    ramp = Ramp(shape="linear", begin="1ep", end="50%")
    assert [ramp.factor(step, 10, 100) for step in (10, 30, 50)] == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": "linar"}, r"ramp\.shape must be one of none, linear, cosine, step, got 'linar'. .*linear"),
        ({"start": -1.0}, r"ramp\.start must be at least 0"),
        ({"end": "5"}, r"ramp\.end must be a time unit such as"),
        ({"end": "5min"}, r"ramp\.end must be in epochs, steps or percent, got '5min'"),
    ],
)
def test_a_wrong_ramp_is_named(fields, message):
    with pytest.raises(FieldError, match=message):
        DiceLoss(ramp=fields)
