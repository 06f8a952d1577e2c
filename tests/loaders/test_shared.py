"""The loaders that a config chooses: alike in what they give."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import FieldError
from dltools.data.digits import Digits
from dltools.data.samplers import InOrder, KeySampler, Shuffle
from dltools.loaders import NodeLoader, TorchLoader
from dltools.loaders.shared import AutoLoader, SharedLoader


@pytest.fixture(autouse=True)
def _node(tmp_path_factory, monkeypatch):
    """A service of this test's own."""
    monkeypatch.setenv("DLTOOLS_RUNTIME", str(tmp_path_factory.mktemp("n")))


def _batches(loaders: TorchLoader, train: bool, epochs: int = 2) -> tuple[Any, list[dict[str, Any]]]:
    split = Digits().split("val")
    sampler = KeySampler(Shuffle().plan(split, lambda: []) if train else InOrder(len(split)), seed=0)
    dataset = Augmentations().dataset(split, "train" if train else "eval", seed=0)
    known = {"identity": lambda: "digits", "epochless": dataset.epochless}
    loader = loaders.loader(dataset, collate, sampler, train=train, **known)
    batches = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches += list(loader)
    return loader, batches


@pytest.mark.parametrize("train", [True, False])
def test_the_batches_of_the_node_are_those_of_torch(train: bool) -> None:
    _, expected = _batches(TorchLoader(batch_size=32), train)
    loader, found = _batches(SharedLoader(batch_size=32, workers=1, linger=0, budget="64MiB"), train)
    assert type(loader) is NodeLoader and type(_batches(TorchLoader(), train, 0)[0]) is not NodeLoader
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in ("image", "label", "index"))
    half = len(found) // 2
    assert loader.stats()["alone"] == 0
    assert loader.stats()["hits"] == (0 if train else half), "an evaluation asks for the same in every epoch"


def test_auto_asks_the_node_where_others_may_ask_too() -> None:
    assert type(_batches(AutoLoader(shared=False), True, 0)[0]) is not NodeLoader
    assert type(_batches(AutoLoader(), True, 0)[0]) is not NodeLoader
    assert type(_batches(AutoLoader(shared=True, linger=0), True, 0)[0]) is NodeLoader


def test_a_budget_is_a_size() -> None:
    with pytest.raises(FieldError, match=r"budget must be a size such as '20GiB'"):
        SharedLoader(budget="much")
