"""Schedules against closed formulas in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR

from dltools.cfgutils import ConfigError, FieldError
from dltools.optim.schedulers.base import Schedule
from dltools.optim.schedulers.constant import Constant
from dltools.optim.schedulers.cosine import Cosine


def optimizer_of(*rates: float) -> torch.optim.Optimizer:
    """Return an optimizer with a group for each rate."""
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def rates_of(schedule: Schedule, steps: int, beyond: int = 0, **span: int) -> np.ndarray:
    """Return the rate that each optimizer step is taken with, for a peak of 0.5."""
    optimizer = optimizer_of(0.5)
    scheduler = schedule.attach(optimizer, total_steps=steps, **{"steps_per_epoch": 10, **span})
    rates = []
    for _ in range(steps + beyond):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@given(
    total=st.integers(2, 60),
    warmup=st.integers(0, 100),
    start=st.floats(0, 1),
    final=st.floats(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_cosine_follows_its_formula(total: int, warmup: int, start: float, final: float) -> None:
    warmup = min(warmup, total - 1)
    t = np.arange(total, dtype=np.float64)
    rising = start + (1 - start) * t / max(warmup, 1)
    falling = final + (1 - final) * 0.5 * (1 + np.cos(np.pi * (t - warmup) / (total - warmup)))
    rates = rates_of(Cosine(warmup=f"{warmup}st", warmup_start=start, final=final), total)
    np.testing.assert_allclose(rates, 0.5 * np.where(t < warmup, rising, falling), rtol=1e-12, atol=1e-15)


def test_cosine_without_warmup_is_torchs_own() -> None:
    optimizer = optimizer_of(0.5)
    theirs = CosineAnnealingLR(optimizer, T_max=30, eta_min=0.05)
    expected = []
    for _ in range(30):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    np.testing.assert_allclose(rates_of(Cosine(warmup="0st", final=0.1), 30), expected, rtol=1e-9)


def test_constant_rises_in_a_line_and_stays() -> None:
    rates = rates_of(Constant(warmup="4st", warmup_start=0.0), 8)
    np.testing.assert_allclose(rates, [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(("warmup", "steps"), [("2ep", 20), ("10%", 10), ("7st", 7), ("0%", 0)])
def test_warmup_is_counted_in_any_unit_of_steps(warmup: str, steps: int) -> None:
    rates = rates_of(Constant(warmup=warmup), 100)
    assert np.argmax(rates == 0.5) == steps


def test_the_last_value_stays_beyond_the_end() -> None:
    rates = rates_of(Cosine(final=0.2), 20, beyond=5)
    np.testing.assert_allclose(rates[20:], 0.1)


def test_each_group_keeps_its_own_peak() -> None:
    optimizer = optimizer_of(1.0, 0.1)
    Constant(warmup="2st", warmup_start=0.5).attach(optimizer, total_steps=10, steps_per_epoch=5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


def test_a_resumed_schedule_goes_on_exactly() -> None:
    whole = rates_of(Cosine(), 30)
    first, second = optimizer_of(0.5), optimizer_of(0.5)
    scheduler = Cosine().attach(first, 30, 10)
    for _ in range(13):
        first.step()
        scheduler.step()
    state: dict[str, Any] = {"optimizer": first.state_dict(), "scheduler": scheduler.state_dict()}
    resumed = Cosine().attach(second, 30, 10)
    second.load_state_dict(state["optimizer"])
    resumed.load_state_dict(state["scheduler"])
    rest = []
    for _ in range(17):
        rest.append(second.param_groups[0]["lr"])
        second.step()
        resumed.step()
    np.testing.assert_array_equal(rest, whole[13:])


@pytest.mark.parametrize("warmup", ["20st", "2ep", "100%"])
def test_a_warmup_as_long_as_the_training_is_refused(warmup: str) -> None:
    with pytest.raises(FieldError, match="warmup must be shorter than the training of 20 steps"):
        Cosine(warmup=warmup).attach(optimizer_of(0.1), total_steps=20, steps_per_epoch=10)


@pytest.mark.parametrize("warmup", ["5", "5m", "30min"])
def test_a_warmup_that_is_not_counted_in_steps_is_refused_at_once(warmup: str) -> None:
    with pytest.raises(ConfigError, match=r"^warmup must be"):
        Cosine(warmup=warmup)
