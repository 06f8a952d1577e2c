"""Small things that a run keeps: random states, outputs that fit."""

import random

import numpy as np
import pytest
import torch

from dltools.cfgutils import ConfigError
from dltools.policies.checks import expect_keys, expect_tensor
from dltools.policies.randomness import random_state, seed_everything, set_random_state


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
