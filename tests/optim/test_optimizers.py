"""The table of optimizers against torch itself."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from dltools.cfgutils.build import build
from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.index import index

NAMES = index().names("optim")
LEFT_OUT = {
    "Optimizer": "the base class",
    "LBFGS": "wants a closure",
    "SparseAdam": "takes sparse gradients only",
    "Muon": "takes matrices only",
}
OUR_DEFAULTS: dict[str, dict[str, Any]] = {
    "adamw": {"lr": 1e-3, "weight_decay": 0.05},
    "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
}


def config_of(name: str) -> Any:
    """Return the stored config of an optimizer."""
    entry = index().find("optim", name)
    assert entry is not None
    ensure_stored("optim", name, entry.module)
    return ConfigStore.instance().load(f"optim/{name}.yaml").node


def test_every_optimizer_of_torch_is_in_the_table_or_left_out_for_a_reason() -> None:
    classes = {
        f"torch.optim.{name}"
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, torch.optim.Optimizer) and name not in LEFT_OUT
    }
    assert {index().find("optim", name).target for name in NAMES} == classes  # type: ignore[union-attr]


@pytest.mark.parametrize("name", NAMES)
def test_names_and_defaults_are_those_of_the_live_signature(name: str) -> None:
    config: Any = OmegaConf.to_container(config_of(name))
    target = config.pop("_target_")
    live = {
        parameter.name: parameter.default
        for parameter in inspect.signature(getattr(torch.optim, target.rpartition(".")[2])).parameters.values()
        if parameter.name != "params"
    }
    expected = {key: list(value) if isinstance(value, tuple) else value for key, value in live.items()}
    assert config == {**expected, **OUR_DEFAULTS.get(name, {})}


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_builds_and_lowers_a_convex_loss(name: str) -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3))
    optimizer = build(config_of(name), "optim", params=[weight])
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
