"""Handlers around a step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dltools.handlers import Amp, Chain, Clip, Profile
from dltools.handlers.base import Handler

CPU = torch.device("cpu")


def _step(
    handlers: dict[str, Handler], folder: Path, gradient: float = 30.0
) -> tuple[torch.nn.Linear, dict[str, torch.Tensor]]:
    """Take one SGD step on a linear model whose loss has gradient `gradient` in each of 9 weights."""
    model = torch.nn.Linear(9, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    chain = Chain(handlers, CPU, folder)
    with chain.forward():
        loss = model(torch.full((1, 9), gradient)).float().sum()
    values = chain.update(loss, model, optimizer)
    chain.close()
    return model, values


def test_without_handlers_the_step_is_the_optimizers_own(tmp_path: Path) -> None:
    model, values = _step({}, tmp_path)
    assert torch.equal(model.weight, torch.full((1, 9), -30.0))
    assert values == {}


def test_clipping_scales_the_gradients_to_the_norm_and_tells_the_norm_before(tmp_path: Path) -> None:
    model, values = _step({"clip": Clip(norm=6.0)}, tmp_path)
    assert torch.allclose(model.weight.norm(), torch.tensor(6.0), atol=1e-5)
    assert torch.allclose(values["grad_norm"], torch.tensor(90.0))


@pytest.mark.parametrize("order", [("amp", "clip"), ("clip", "amp")])
def test_under_fp16_the_gradients_are_unscaled_before_they_are_clipped_whatever_the_order(
    order: tuple[str, str], tmp_path: Path
) -> None:
    made = {"amp": Amp(precision="fp16", init_scale=8.0), "clip": Clip(norm=6.0)}
    model, values = _step({name: made[name] for name in order}, tmp_path)
    assert torch.allclose(values["grad_norm"], torch.tensor(90.0))
    assert torch.allclose(model.weight.norm(), torch.tensor(6.0), atol=1e-3)


def test_a_step_whose_scaled_gradients_overflow_is_left_out_and_the_scale_falls(tmp_path: Path) -> None:
    amp = Amp(precision="fp16", init_scale=65536.0)
    model, _ = _step({"amp": amp}, tmp_path, gradient=60000.0)
    assert torch.equal(model.weight, torch.zeros(1, 9))
    assert amp.state_dict()["scale"] == 32768.0


def test_bf16_runs_the_model_in_half_precision(tmp_path: Path) -> None:
    chain = Chain({"amp": Amp()}, CPU, tmp_path)
    with chain.forward():
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype is torch.bfloat16


def test_the_state_of_the_chain_comes_back(tmp_path: Path) -> None:
    amp = Amp(precision="fp16", init_scale=1024.0)
    state = Chain({"amp": amp}, CPU, tmp_path).state_dict()
    fresh = Amp(precision="fp16")
    Chain({"amp": fresh}, CPU, tmp_path).load_state_dict(state)
    assert fresh.state_dict() == amp.state_dict()


def test_the_profile_of_some_steps_is_written_to_the_run_folder(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    chain = Chain({"profile": Profile(wait=1, active=2)}, CPU, tmp_path)
    for _ in range(6):
        chain.update(model(torch.ones(1, 2)).sum(), model, optimizer)
    chain.close()
    assert "addmm" in (tmp_path / "profile.txt").read_text()
    assert (tmp_path / "profile.json").stat().st_size > 1000
