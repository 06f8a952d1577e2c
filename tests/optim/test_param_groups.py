"""Parameter groups: who is in which, and that nobody is lost."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dltools.cfgutils import ConfigError
from dltools.optim.param_groups import NoDecayBiasNorm, OneGroup


class Tied(nn.Module):
    """Two linear layers that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight


LAYERS: dict[str, Any] = {
    "conv": lambda: nn.Conv2d(2, 3, 3),
    "linear": lambda: nn.Linear(3, 4, bias=False),
    "batch norm": lambda: nn.BatchNorm2d(3),
    "sync batch norm": lambda: nn.SyncBatchNorm(3),
    "instance norm": lambda: nn.InstanceNorm2d(3, affine=True),
    "layer norm": lambda: nn.LayerNorm((3, 4, 5)),
    "group norm": lambda: nn.GroupNorm(1, 3),
    "rms norm": lambda: nn.RMSNorm((3, 4)),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "lstm": lambda: nn.LSTM(3, 4),
    "embedding": lambda: nn.Embedding(5, 3),
    "prelu": nn.PReLU,
    "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8),
    "tied": Tied,
}
NORM_NAMES = [name for name in LAYERS if name.endswith("norm")]


def names_of(groups: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the parameter names of each group."""
    return {group["name"]: {name for name, _ in group["params"]} for group in groups}


@pytest.mark.parametrize("make", [OneGroup, NoDecayBiasNorm])
@given(layers=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=5), data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_trainable_parameter_is_in_exactly_one_group(make: Any, layers: list[str], data: st.DataObject) -> None:
    model = nn.Sequential(*(LAYERS[layer]() for layer in layers))
    parameters = dict(model.named_parameters())
    for parameter in data.draw(st.lists(st.sampled_from(sorted(parameters)), max_size=len(parameters) - 1)):
        parameters[parameter].requires_grad_(False)
    trainable = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    if not trainable:
        return
    listed = [pair for group in make()(model) for pair in group["params"]]
    assert len(listed) == len(trainable)
    assert {name: id(parameter) for name, parameter in listed} == {n: id(p) for n, p in trainable.items()}


@pytest.mark.parametrize("norm", NORM_NAMES)
def test_norms_of_every_type_and_shape_do_not_decay(norm: str) -> None:
    groups = NoDecayBiasNorm()(LAYERS[norm]())
    assert [group["name"] for group in groups] == ["no_decay"]
    assert groups[0]["weight_decay"] == 0.0


def test_weights_decay_and_biases_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(3), nn.Flatten(), nn.Linear(3, 4))
    assert names_of(NoDecayBiasNorm()(model)) == {
        "decay": {"0.weight", "4.weight"},
        "no_decay": {"0.bias", "1.weight", "1.bias", "2.weight", "4.bias"},
    }


def test_the_decaying_group_takes_the_decay_of_the_optimizer() -> None:
    optimizer = torch.optim.AdamW(NoDecayBiasNorm()(nn.Linear(3, 4)), weight_decay=0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]


def test_the_optimizer_keeps_the_names_of_the_parameters() -> None:
    optimizer = torch.optim.SGD(NoDecayBiasNorm()(nn.Linear(3, 4)), lr=0.1)
    assert [group["param_names"] for group in optimizer.state_dict()["param_groups"]] == [["weight"], ["bias"]]


def test_a_model_without_trainable_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="Linear has no parameter that requires a gradient"):
        OneGroup()(nn.Linear(3, 4).requires_grad_(False))
