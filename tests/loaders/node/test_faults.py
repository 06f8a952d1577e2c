"""Whatever a machine is short of, and whoever stands still, all batches come with the same bytes, or a reason."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from functools import partial
from itertools import chain, islice
from pathlib import Path

import cloudpickle
import cv2
import numpy as np
import pytest
import torch

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import SampleError
from dltools.data.folder import Folder
from dltools.data.samplers import InOrder, KeySampler
from dltools.loaders import NodeLoader, TorchLoader
from dltools.loaders.node import client
from dltools.loaders.samples import SampleStore
from dltools.loaders.samples.inventory import INDEX
from dltools.loaders.shared import SharedLoader
from tests.loaders.node import data, scenes
from tests.loaders.node.data import Deadly
from tests.loaders.node.scenes import BATCH, SCENES, dataset, digests, expected, loader, sampler

for module in (data, scenes):
    cloudpickle.register_pickle_by_value(module)
STEPS = SCENES // BATCH


def test_a_stopped_trial_holds_up_nobody_and_goes_on_where_it_stood(nodes, trials):
    one, two = (trials(partial(loader, sampler(), node=nodes[1], identity="stopped")) for _ in range(2))
    first = one.next()
    one.signal(signal.SIGSTOP)
    found, counts = two.rest()
    assert found == expected(0) and counts["alone"] == 0
    one.signal(signal.SIGCONT)
    found, counts = one.rest()
    assert [first, *found] == expected(0) and counts["alone"] == 0


@pytest.mark.slow
def test_a_decoder_that_dies_is_an_error_of_who_asked_while_others_go_on(node, trials):
    torn = Deadly()
    torn.parent = os.getpid()
    deadly = iter(NodeLoader(torn, batch_size=4, node=node))
    other = trials(partial(loader, sampler(), node=node))
    assert next(deadly)["index"].tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match=r"killed by SIGSEGV.*\[4, 5, 6, 7\]"):
        next(deadly)
    assert next(deadly)["index"].tolist() == [8, 9, 10, 11]
    found, counts = other.rest()
    assert found == expected(0) and counts["alone"] == 0


class Hoarder:
    """Goes through two epochs and keeps all that it gets; few files may be open in its process."""

    def __init__(self, node, limit):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        client._SMALL = 0  # all batches are mapped, and each mapping holds a file
        self.loader = loader(sampler(), batch_size=1, node=node)
        self.stats = self.loader.stats
        self.kept = []

    def __iter__(self):
        for epoch in range(2):
            self.loader.sampler.set_epoch(epoch)
            for batch in self.loader:
                self.kept.append(batch)
                yield batch


def test_64_open_files_are_enough_for_a_trial_that_keeps_everything_and_for_the_service(node, trials, processes):
    trial = trials(partial(Hoarder, node, 64))
    found, counts = trial.rest()
    assert list(chain(*found)) == [*chain(*expected(0)), *chain(*expected(1))]
    assert counts["alone"] == 0
    (service,) = processes.services()
    assert resource.prlimit(service, resource.RLIMIT_NOFILE) == (64, 64)
    many = [loader(sampler(), node=node) for _ in range(70)]
    iterators = [iter(each) for each in many]
    assert all([digests(batch) for batch in islice(each, 2)] == expected(0)[:2] for each in iterators)
    assert 0 < sum(each.stats()["alone"] > 0 for each in many) < len(many)


LIMITS = {
    "too little for workers": (resource.RLIMIT_AS, 1 << 29),
    "too little to begin": (resource.RLIMIT_FSIZE, 1 << 20),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_where_no_service_has_room_to_live_batches_are_made_here(node, processes, monkeypatch, caplog, limit):
    kind, most = LIMITS[limit]
    few = partial(subprocess.Popen, preexec_fn=lambda: resource.setrlimit(kind, (most, most)))
    monkeypatch.setattr(subprocess, "Popen", few)
    ours = loader(sampler(), node=node)
    assert [digests(batch) for batch in ours] == expected(0)
    assert ours.stats()["alone"] == STEPS and "in this process" in caplog.text
    processes.kill(processes.living())  # of a service that gave up, the socket stays


def test_a_batch_for_which_the_system_has_no_memory_is_made_here(node, processes):
    ours = loader(sampler(), node=node, num_workers=1)
    found = []
    for place, batch in enumerate(ours):
        found.append(digests(batch))
        if place == 5:
            (worker,) = processes.workers()
            most = resource.prlimit(worker, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, most))
        if place == 12:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
    assert found == expected(0)
    assert 4 <= ours.stats()["alone"] <= 9
    assert processes.workers() == [worker]


@pytest.fixture
def torn(tmp_path):
    """Images of which one is cut in the middle."""
    chance = np.random.default_rng(0)
    for number in range(8):
        path = tmp_path / "train" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), chance.integers(0, 256, (24, 24, 3), np.uint8))
        if number == 4:
            os.truncate(path, path.stat().st_size // 2)
    return Folder(root=str(tmp_path)).split("train")


def _read(loaders, split):
    source = Augmentations().dataset(split, "eval", seed=0)
    keys = KeySampler(InOrder(len(split)), seed=0)
    return list(loaders.loader(source, collate, keys, train=False, identity=lambda: "torn"))


def test_an_image_that_cannot_be_decoded_is_left_out_or_an_error_as_torch_has_it(torn, nodes, monkeypatch):
    monkeypatch.setenv("DLTOOLS_RUNTIME", str(nodes[1].folder))
    shared = partial(SharedLoader, batch_size=1, workers=1, linger=0, budget="64MiB")
    theirs = _read(TorchLoader(batch_size=1, on_error="skip"), torn)
    ours = _read(shared(on_error="skip"), torn)
    assert len(ours) == len(theirs) == 8 and [batch.keys() for batch in ours] == [batch.keys() for batch in theirs]
    assert [batch["skipped"] for batch in ours] == [batch["skipped"] for batch in theirs]
    assert sum(map(len, (batch["skipped"] for batch in ours))) == 1
    pairs = [(one, other) for one, other in zip(ours, theirs, strict=True) if "image" in one]
    assert all(torch.equal(one[key], other[key]) for one, other in pairs for key in ("image", "label", "index"))
    reasons = []
    for loaders in (TorchLoader(batch_size=1), shared()):
        with pytest.raises(SampleError) as caught:
            _read(loaders, torn)
        reasons.append(str(caught.value).splitlines()[-1])
    assert reasons[1].endswith(reasons[0]) and "4.png cannot be decoded" in reasons[0]


def _version(folder: Path) -> None:
    with (folder / INDEX).open("r+b") as file:
        file.write(b"dltools samples 0\n")


def _other(folder: Path) -> None:
    SampleStore(folder, SCENES, "another", "1GiB").get(0)


def _cut_index(folder: Path) -> None:
    os.truncate(folder / INDEX, (folder / INDEX).stat().st_size // 2)


def _cut_samples(folder: Path) -> None:
    for path in folder.glob("*.bin"):
        os.truncate(path, path.stat().st_size // 2)


def test_a_store_that_is_cut_or_of_another_version_under_the_service_changes_no_byte(nodes, tmp_path):
    source = Augmentations(train=scenes.transforms()).dataset(dataset().split, "train", scenes.SEED)
    folder = tmp_path / "samples" / "scenes"
    source.store = SampleStore(folder, SCENES, "these", "1GiB")
    ours = loader(sampler(), source, node=nodes[1], identity="stored")
    assert [digests(batch) for batch in ours] == expected(0)
    assert len(list(folder.glob("*.bin"))) == 1
    for epoch, harm in enumerate((_cut_samples, _other, _version, _cut_index), 1):
        again = loader(sampler(epoch), source, node=nodes[1], identity=harm.__name__)
        found = []
        for place, batch in enumerate(again):
            found.append(digests(batch))
            if place in (0, STEPS // 2):
                harm(folder)
        assert found == expected(epoch), harm
        assert again.stats()["alone"] == 0, harm
