"""The component decorator."""

from __future__ import annotations

import copy
import dataclasses
import enum
import inspect
import pickle
from typing import Any

import pytest
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ValidationError

from dltools.cfgutils import FieldError, PositiveInt, Probability, component, foreign
from dltools.cfgutils.build import build
from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.index import index
from dltools.module import ConfigModule


class Shape(str, enum.Enum):
    """Choices."""

    square = "square"
    round = "round"


@component("model", "test_only")
class Layer(ConfigModule):
    """A module that is a dataclass."""

    size: PositiveInt
    """Required."""
    dropout: Probability = 0.5
    """Bounded."""
    shape: Shape = Shape.round
    """Enum."""
    names: list[str] = dataclasses.field(default_factory=list)
    """Mutable."""

    def __post_init__(self) -> None:
        self.linear = torch.nn.Linear(self.size, self.size)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.linear(values)


def test_a_component_is_used_with_plain_keyword_arguments_and_no_config() -> None:
    layer = Layer(size=3, shape="square")
    assert layer(torch.zeros(1, 3)).shape == (1, 3)
    assert layer.shape is Shape.square
    assert "size=3" in repr(layer)


def test_the_config_has_the_same_fields_and_stands_in_the_config_store() -> None:
    stored = ConfigStore.instance().load("model/test_only.yaml")
    node = OmegaConf.structured(stored.node)
    assert node._target_.endswith("Layer")
    assert OmegaConf.is_missing(node, "size") and Layer.Config().size == MISSING
    assert node.dropout == 0.5
    assert stored.package == "model"
    with pytest.raises(ValidationError):
        node.dropout = "much"


def test_a_module_component_survives_pickle_deepcopy_state_dict_and_compile() -> None:
    layer = Layer(size=2)
    values = torch.ones(1, 2)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(values), layer(values))
    fresh = Layer(size=2)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(values), layer(values))
    assert torch.allclose(torch.compile(layer, backend="eager")(values), layer(values))


def test_the_config_class_is_found_again_by_pickle() -> None:
    node = OmegaConf.structured(Layer.Config)
    assert OmegaConf.get_type(pickle.loads(pickle.dumps(node))) is Layer.Config


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"size": 1, "dropout": 1.5}, "dropout must be at most 1, got 1.5"),
        ({"size": 1, "shape": "sqare"}, "shape must be one of square, round, got 'sqare'. Did you mean 'square'?"),
    ],
)
def test_a_value_out_of_bounds_is_refused_before_anything_is_made(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(FieldError) as caught:
        Layer(**arguments)
    assert words in str(caught.value)


foreign("optim", "test_foreign", "torch.optim.SGD", "A class of another library.", lr=0.25)


def test_a_foreign_class_gets_a_typed_config_of_its_signature_without_what_is_given_later() -> None:
    ensure_stored("optim", "test_foreign", "dltools.cfgutils.component")
    node = OmegaConf.structured(ConfigStore.instance().load("optim/test_foreign.yaml").node)
    assert node._target_ == "torch.optim.SGD"
    assert node.lr == 0.25 and "params" not in node
    assert set(node) - {"_target_"} == set(inspect.signature(torch.optim.SGD).parameters) - {"params"}
    built = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.25)
    made = build(OmegaConf.merge(node, {}), "optim", params=[torch.nn.Parameter(torch.zeros(1))])
    assert made.defaults == built.defaults


def _every_component() -> list[tuple[str, str]]:
    return [(group, name) for group in index().groups() for name in index().names(group)]


@pytest.mark.parametrize(("group", "name"), _every_component())
def test_every_component_composes_and_every_entry_of_the_index_has_a_description(group: str, name: str) -> None:
    entry = index().find(group, name)
    assert entry is not None and entry.doc.strip(), f"{group}={name} has no description"
    ensure_stored(group, name, entry.module)
    node = OmegaConf.structured(ConfigStore.instance().load(f"{group}/{name}.yaml").node)
    assert node._target_ == entry.target
