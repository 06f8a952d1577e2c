"""The step from a config to objects."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from omegaconf import OmegaConf

from dltools.cfgutils import ConfigError, FieldError, PositiveInt, component
from dltools.cfgutils.build import build, check_targets
from dltools.cfgutils.index import index


@component("model", "test_leaf")
class Leaf:
    """A leaf."""

    size: PositiveInt = 1
    """A size."""
    num_classes: int | None = None
    """From the data."""


@component("model", "test_tree")
class Tree:
    """A node with children."""

    leaves: dict[str, Any]
    """Children."""

    def __post_init__(self) -> None:
        if len(self.leaves) > 2:
            raise KeyError("too many leaves")


@pytest.fixture(autouse=True)
def _allow_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index(), "modules", [*index().modules, __name__])


LEAF = {"_target_": f"{__name__}.Leaf"}
TREE = {"_target_": f"{__name__}.Tree"}


def test_children_are_built_first_and_plain_values_stay_plain() -> None:
    tree = build(OmegaConf.create({**TREE, "leaves": {"a": {**LEAF, "size": 3}, "b": [1, {"c": 2}]}}), "model")
    assert isinstance(tree.leaves["a"], Leaf) and tree.leaves["a"].size == 3
    assert tree.leaves["b"] == [1, {"c": 2}] and type(tree.leaves["b"]) is list


def test_context_fills_what_the_config_leaves_open_and_nothing_else() -> None:
    assert build(LEAF, "model", num_classes=10, size=7).num_classes == 10
    assert build({**LEAF, "num_classes": 4}, "model", num_classes=10).num_classes == 4
    assert build({**LEAF, "size": 2}, "model", size=7).size == 2


@component("model", "test_pyramid")
class Pyramid:
    """A class of a library, which insists on a tuple."""

    def __init__(self, scales: tuple[int, ...] = (1, 2), names: Any = None) -> None:
        assert isinstance(scales, tuple)
        self.scales, self.names = scales, names


def test_a_list_is_a_tuple_where_the_default_is_one() -> None:
    made = build(OmegaConf.create({"_target_": f"{__name__}.Pyramid", "scales": [1, 2, 4], "names": ["a"]}), "model")
    assert made.scales == (1, 2, 4) and made.names == ["a"]


def test_partial_gives_a_function_still_to_be_called() -> None:
    made = build({**LEAF, "_partial_": True, "size": 2}, "model")
    assert isinstance(made, functools.partial) and made().size == 2


def test_an_error_of_a_class_keeps_its_type_and_tells_the_key() -> None:
    with pytest.raises(KeyError) as caught:
        build({**TREE, "leaves": {"a": 1, "b": 2, "c": 3}}, "model.trunk")
    assert any("model.trunk" in note and "Tree" in note for note in caught.value.__notes__)


def test_a_bad_value_is_told_with_its_whole_key() -> None:
    with pytest.raises(FieldError, match=r"^model\.leaves\.a\.size must be at least 1, got -1"):
        build({**TREE, "leaves": {"a": {**LEAF, "size": -1}}}, "model")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**LEAF, "sise": 3}, r"model\.sise is not consumed: .*Did you mean 'size'"),
        (TREE, r"model\.leaves is missing"),
        ({**TREE, "leaves": "???"}, r"model\.leaves is missing"),
        (
            {"_target_": "os.system", "command": "true"},
            r"model\._target_=os\.system is neither a registered component nor allowed",
        ),
        ({"_target_": "os.system"}, r"imports=\[os\]"),
        (
            {"_target_": "dltools.augs.samples.mosaic.Mosaic", "leaf": LEAF},
            r"model\.leaf is not consumed.* To have 'mosaic' beside it write \+transform@model\.mosaic=mosaic\.",
        ),
        ({"_target_": f"{__name__}.Leav"}, r"cannot be imported"),
        ({"_target_": f"{__name__}.LEAF"}, r"is a dict; it must be a class"),
        ({"_target_": "???"}, r"model\._target_ is missing"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused_by_key(config: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(config, "model")


def test_targets_are_checked_anywhere_in_a_config_before_anything_is_built() -> None:
    check_targets({"model": LEAF, "list": [{"deep": LEAF}]})
    with pytest.raises(ConfigError, match=r"list\[0\]\.deep\._target_=subprocess\.run"):
        check_targets({"model": LEAF, "list": [{"deep": {"_target_": "subprocess.run"}}]})
