"""Small things that a run keeps: objective, random states."""

import math
import random

import numpy as np
import pytest
import torch

from dltools.cfgutils import ConfigError
from dltools.metrics.objective import MetricObjective
from dltools.policies.checks import expect_keys, expect_tensor
from dltools.policies.randomness import random_state, seed_everything, set_random_state


@pytest.mark.parametrize(
    ("mode", "value", "than", "better"),
    [
        ("max", 0.6, 0.5, True),
        ("max", 0.5, 0.5, False),
        ("min", 0.4, 0.5, True),
        ("min", 0.6, 0.5, False),
        ("max", 0.1, None, True),
        ("max", math.nan, None, False),
        ("max", math.nan, 0.5, False),
        ("min", 0.1, math.nan, True),
    ],
)
def test_an_objective_knows_the_better_of_two_values_and_nan_is_never_it(mode, value, than, better):
    assert MetricObjective(name="val/iou", mode=mode).better(value, than) is better


def test_an_objective_that_nothing_logs_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"objective\.name=val/iuo is not logged\. Did you mean 'val/iou'"):
        MetricObjective(name="val/iuo").value({"val/loss": 1.0, "val/iou": 0.5})


def test_all_generators_go_on_from_a_saved_state():
    seed_everything(3, deterministic=True)
    torch.rand(5), np.random.rand(5), random.random(), random.gauss(0, 1)
    state = random_state()
    after = torch.rand(3).tolist(), np.random.rand(3).tolist(), np.random.randn(), random.random(), random.gauss(0, 1)
    set_random_state(state)
    again = torch.rand(3).tolist(), np.random.rand(3).tolist(), np.random.randn(), random.random(), random.gauss(0, 1)
    assert again == after


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(4, 10, 2), r"of shape \(4, 10\) from the model, got \(4, 10, 2\)"),
        (torch.zeros(4, 9), r"got \(4, 9\)"),
        (torch.zeros(4, 10, dtype=torch.int64), r"floating-point"),
        ([1, 2], r"got a list"),
    ],
)
def test_an_output_that_does_not_fit_is_told_with_what_is_expected(output, words):
    with pytest.raises(ConfigError, match=words):
        expect_tensor(output, (4, 10), "logits (batch, classes)")


def test_an_output_that_lacks_a_key_is_told():
    with pytest.raises(ConfigError, match="boxes is missing, got logits"):
        expect_keys({"logits": 1}, ("logits", "boxes"), "a dict of logits and boxes")
