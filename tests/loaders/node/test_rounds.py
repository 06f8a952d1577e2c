"""Real scenes are the same to the bit, whoever makes them, on how many ranks, and after whichever death."""

from __future__ import annotations

import random
import signal
from functools import partial
from itertools import chain
from typing import Any

import cloudpickle
import pytest
from torch.utils.data import DataLoader

from dltools.augs.collate import collate
from dltools.loaders import Node
from tests.loaders.node import scenes
from tests.loaders.node.processes import Processes
from tests.loaders.node.scenes import BATCH, SCENES, dataset, digests, expected, loader, sampler

cloudpickle.register_pickle_by_value(scenes)


def _all(batches: Any) -> list[list[str]]:
    return [digests(batch) for batch in batches]


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_makes_the_bytes_that_are_expected(workers):
    keys = sampler()
    assert _all(DataLoader(dataset(), BATCH, sampler=keys, num_workers=workers, collate_fn=collate)) == expected(0)
    assert len(set(chain(*expected(0)))) == SCENES


@pytest.mark.parametrize("workers", [None, 1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_the_node_makes_them_with_any_number_of_workers_and_without_any(nodes, workers):
    ours = loader(sampler(), node=nodes.get(workers))
    assert _all(ours) == expected(0)
    assert ours.stats()["alone"] == (0 if workers else SCENES // BATCH)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_take_equally_many_steps_through_disjoint_samples_up_to_the_cut(nodes, ranks):
    parts = [_all(loader(sampler(rank=rank, ranks=ranks), node=nodes[2])) for rank in range(ranks)]
    assert len({len(part) for part in parts}) == 1
    flat = [list(chain(*part)) for part in parts]
    together = list(chain(*zip(*flat, strict=True)))
    whole = list(chain(*expected(0)))
    assert together == whole[: SCENES - SCENES % ranks]
    assert len(set(together)) == len(together)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_evaluation_on_ranks_counts_each_sample_once(nodes, ranks):
    parts = [_all(loader(sampler(1, rank, ranks, train=False), node=nodes[2])) for rank in range(ranks)]
    made = list(chain(*chain(*parts)))
    assert len(made) == SCENES and set(made) == set(chain(*expected(1, False)))


def test_an_epoch_goes_on_at_any_of_20_points_with_another_number_of_workers(nodes):
    chance = random.Random(0)
    for point in range(1, SCENES // BATCH + 1):
        before, after = chance.sample([1, 2, None], 2)
        stopped = loader(sampler(), node=nodes.get(before))
        seen = [digests(batch) for _, batch in zip(range(point), stopped, strict=False)]
        resumed = loader(sampler(5), node=nodes.get(after))
        resumed.load_state_dict(stopped.state_dict())
        assert seen + _all(resumed) == expected(0), (point, before, after)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whoever_is_killed_at_any_point_of_50_rounds_the_bytes_are_those_expected(folder, processes, trials):
    services = [Node(folder / str(workers), workers=workers, linger=600, budget=64 << 20) for workers in (1, 2)]
    for number in range(50):
        chance = random.Random(number)
        victim, point = chance.choice(["trial", "workers", "services"]), chance.randrange(SCENES // BATCH)
        node, other = chance.sample(services, 2)
        story = (number, victim, point, node.workers)
        one, two = (trials(partial(loader, sampler(number), node=node)) for _ in range(2))
        seen = [one.next() for _ in range(point)]
        if victim == "trial":
            one.signal(signal.SIGKILL)
        else:
            living = getattr(Processes(node.folder), victim)()
            processes.kill(chance.sample(living, min(len(living), 1)))
        rest, end = one.rest()
        seen += rest
        assert seen == expected(number)[: len(seen)], story
        assert (end is None) == (victim == "trial"), story
        found, counts = two.rest()
        assert found == expected(number) and isinstance(counts, dict), (*story, counts)
        if victim == "trial":
            later = loader(sampler(), node=chance.choice([other, None]))
            later.load_state_dict(sampler(number).state_dict(len(seen) * BATCH))
            seen += _all(later)
        assert seen == expected(number), story
        one.end(), two.end()
    processes.kill(processes.living())
