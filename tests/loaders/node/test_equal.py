"""What comes out is what torch's loader gives."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler

from dltools.data.samplers import KeySampler, Shuffle
from dltools.loaders import Node, NodeLoader
from tests.loaders.node import data
from tests.loaders.node.data import Broken, Chance, Pictures, ragged
from tests.loaders.node.processes import Processes, short_folder

cloudpickle.register_pickle_by_value(data)


@pytest.fixture(scope="module")
def node():
    """A service for all of these tests."""
    with short_folder() as folder:
        yield Node(folder=folder, workers=1, budget=64 << 20)
        processes = Processes(folder)
        pids = processes.living()
        processes.kill(pids)
        assert processes.wait(pids)


def same(ours: Any, theirs: Any) -> bool:
    """Tell whether two batches are equal in structure, types and bytes."""
    if isinstance(ours, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, np.ndarray):
        return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def test_batches_are_torchs_for_any_number_of_workers_and_without_a_service(node):
    truth = list(DataLoader(Pictures(), batch_size=5, num_workers=2))
    assert same(list(DataLoader(Pictures(), batch_size=5)), truth)
    assert same(list(NodeLoader(Pictures(), batch_size=5, node=None)), truth)
    for workers in (1, 2):
        folder = node.folder / str(workers)
        loader = NodeLoader(Pictures(), batch_size=5, num_workers=3, node=replace(node, folder=folder, workers=workers))
        assert same(list(loader), truth)
        assert loader.stats()["alone"] == 0


OPTIONS: dict[str, dict[str, Any]] = {
    "nested, ragged and typed": {"batch_size": 5, "collate_fn": ragged},
    "a batch sampler": {"batch_sampler": BatchSampler(SequentialSampler(range(24)), 7, drop_last=False)},
    "the last one dropped": {"batch_size": 5, "drop_last": True},
    "shuffled": {"batch_size": 5, "shuffle": True},
    "no batches": {"batch_size": None, "sampler": [3, 1, 2]},
    "persistent workers": {"batch_size": 12, "num_workers": 1, "persistent_workers": True, "timeout": 20},
}


def test_torchs_options_do_what_they_do(node):
    for name, options in OPTIONS.items():
        if name == "shuffled":
            options = {**options, "generator": torch.Generator().manual_seed(3)}
        ours = NodeLoader(Pictures(), node=node, **options)
        first = list(ours)
        if name == "shuffled":
            options["generator"] = torch.Generator().manual_seed(3)
        theirs = DataLoader(Pictures(), **options)
        assert len(ours) == len(theirs) == len(first), name
        assert same(first, list(theirs)), name
        assert ours.stats()["alone"] == 0, name


def test_workers_are_started_as_torchs_are(node, folder):
    def start(number):
        (folder / f"worker-{number}").touch()

    assert len(list(NodeLoader(Pictures(), batch_size=12, worker_init_fn=start, node=node))) == 2
    assert [path.name for path in folder.glob("worker-*")] == ["worker-0"]


class Unknown:
    def __reduce__(self):
        return _load_where_it_is_not, ("no such codec",)


def _load_where_it_is_not(reason):
    raise LookupError(reason)


def test_a_data_set_that_workers_cannot_load_is_an_error_that_says_why(node):
    dataset = Pictures()
    dataset.codec = Unknown()
    iterator = iter(NodeLoader(dataset, batch_size=12, node=node))
    for _ in range(2):
        with pytest.raises(LookupError, match="no such codec"):
            next(iterator)


def test_a_tensor_named_twice_is_one_tensor_and_keeps_its_memory_format(node):
    batch = next(iter(NodeLoader(Pictures(), batch_size=5, collate_fn=ragged, node=node)))
    assert batch["wide"].is_contiguous(memory_format=torch.channels_last) and not batch["wide"].is_contiguous()
    batch["same"][0].zero_()
    assert not batch["same"][1].any()


def test_the_global_random_numbers_are_a_function_of_the_keys(node):
    state = torch.get_rng_state()
    alone = list(NodeLoader(Chance(), batch_size=4, node=None, generator=torch.Generator()))
    assert torch.equal(state, torch.get_rng_state())
    assert same(list(NodeLoader(Chance(), batch_size=4, node=node)), alone)
    assert not torch.equal(alone[0]["torch"], alone[1]["torch"])


def test_an_exception_comes_with_its_type_its_traceback_and_the_keys(node):
    loader = iter(NodeLoader(Broken(), batch_size=4, node=node))
    assert next(loader)["index"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"(?s)keys \[4, 5, 6, 7\].*in __getitem__.*picture 5 is torn"):
        next(loader)
    assert next(loader)["index"].tolist() == [8, 9, 10, 11]


def test_what_cannot_be_sent_is_made_here_with_a_word(node, caplog):
    dataset: Any = Pictures(4)
    dataset.lock = (each for each in ())
    assert len(list(NodeLoader(dataset, batch_size=2, node=node))) == 2
    assert "cannot be sent" in caplog.text


class Numbers(IterableDataset):
    def __iter__(self):
        return iter(range(6))


def test_an_iterable_data_set_is_left_to_torch_with_a_word(node, caplog):
    assert [batch.tolist() for batch in NodeLoader(Numbers(), batch_size=4, node=node)] == [[0, 1, 2, 3], [4, 5]]
    assert "IterableDataset" in caplog.text


def _sampler(epoch: int = 0) -> KeySampler:
    split: Any = range(24)
    sampler = KeySampler(Shuffle().plan(split, lambda: []), seed=0)
    sampler.set_epoch(epoch)
    return sampler


def test_resuming_goes_on_behind_the_last_batch_and_makes_nothing_before_it(node, folder):
    whole = list(NodeLoader(Pictures(), batch_size=5, sampler=_sampler(2), node=None))
    for used in range(len(whole) + 1):
        stopped = NodeLoader(Pictures(), batch_size=5, sampler=_sampler(2), num_workers=2, node=node)
        for _, _ in zip(range(used), stopped, strict=False):
            pass
        log = folder / f"log-{used}"
        loader = NodeLoader(Pictures(log=log), batch_size=5, sampler=_sampler(), node=node)
        loader.load_state_dict(stopped.state_dict())
        assert loader.state_dict() == stopped.state_dict()
        assert same(list(loader), whole[used:])
        assert len(log.read_text().splitlines() if log.exists() else []) == max(24 - 5 * used, 0)


def test_a_new_epoch_begins_at_its_beginning():
    loader = NodeLoader(Pictures(), batch_size=5, sampler=_sampler(), node=None)
    assert len(list(loader)) == 5 and loader.state_dict()["consumed"] == 24
    loader.sampler.set_epoch(1)
    assert loader.state_dict() == {"epoch": 1, "consumed": 0, "seed": 0, "samples": 24}


def test_a_sampler_without_places_is_named(node):
    loader = NodeLoader(Pictures(), sampler=RandomSampler(Pictures()), node=None)
    with pytest.raises(TypeError, match="RandomSampler has no state_dict"):
        loader.state_dict()


def test_keys_may_be_told_without_what_does_not_matter(node):
    dataset, options = Pictures(), {"batch_size": 8, "node": node, "key_of": itemgetter(1)}
    loader = NodeLoader(dataset, sampler=[(0, index) for index in range(16)], **options)
    assert len(list(loader)) == 2 and loader.stats()["hits"] == 0
    later = NodeLoader(dataset, sampler=[(1, index) for index in range(16)], **options)
    assert len(list(later)) == 2 and later.stats()["hits"] == 2
