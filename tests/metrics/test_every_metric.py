"""What holds for every metric of our own, found by its registration, alone and over ranks."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils.index import index
from dltools.metrics import Metric, MetricSet

CLASSES, JOINTS, SAMPLES, SIZE = 4, 5, 11, 12
FACTS = {
    "num_classes": CLASSES,
    "class_names": ["background", "cat", "dog", "T-shirt/top"],
    "num_keypoints": JOINTS,
    "keypoint_names": ["nose", "left eye", "right eye", "tail", "paw"],
    "ignore_index": 255,
    "per_class": True,
    "k": 2,
}


def classes_of(name):
    entry = index().find("metric", name)
    return getattr(importlib.import_module(entry.module), entry.target.rpartition(".")[2])


def is_ours(name):
    return index().find("metric", name).target.startswith("dltools.")


NAMES = [name for name in index().names("metric") if is_ours(name)]


def make(name):
    metric = classes_of(name)
    fields = {field.name for field in dataclasses.fields(metric)}
    return metric(**{key: value for key, value in FACTS.items() if key in fields})


def sample(number):
    """One sample of each kind, a function of its number; sample 2 is void, and sample 3 shows and finds nothing."""
    rng = np.random.default_rng(number)
    true = torch.from_numpy(np.kron(rng.integers(0, CLASSES, (3, 3)), np.ones((4, 4), int)))
    if number == 2:
        true[:] = 255
    if number == 3:
        true[:] = 0
    known = torch.nn.functional.one_hot(true.clamp(max=CLASSES - 1), CLASSES).movedim(-1, 0)
    logits = known + torch.from_numpy(rng.normal(size=(CLASSES, SIZE, SIZE))) * 0.7
    count = 0 if number == 3 else int(rng.integers(1, 4))
    corners = torch.from_numpy(rng.uniform(0, 60, (count, 2)))
    boxes = torch.cat([corners, corners + torch.from_numpy(rng.uniform(5, 130, (count, 2)))], 1)
    labels = torch.from_numpy(rng.integers(0, CLASSES, count))
    joints = torch.from_numpy(rng.uniform(0, 48, (JOINTS, 3)))
    joints[:, 2] = torch.from_numpy(rng.integers(0, 3, JOINTS))
    found = joints[:, :2] + torch.from_numpy(rng.normal(0, 3, (JOINTS, 2)))
    panoptic = torch.stack(
        [true.where(true != 255, 0), torch.from_numpy(np.kron(rng.integers(0, 3, (3, 3)), np.ones((4, 4), int)))], -1
    )
    return {
        "classes": (logits, true),
        "values": (logits, known.double()),
        "boxes": (
            {
                "boxes": boxes + torch.from_numpy(rng.normal(0, 2, (count, 4))),
                "scores": torch.from_numpy(rng.random(count)),
                "labels": labels,
            },
            {"boxes": boxes, "labels": labels, "image_id": torch.tensor(number)},
        ),
        "keypoints": (found, {"keypoints": joints, "scale": torch.tensor(30.0), "head_size": torch.tensor(8.0)}),
        "poses": (
            {"keypoints": found[None], "scores": torch.from_numpy(rng.random(1))},
            {"keypoints": joints[None], "area": torch.tensor([900.0]), "image_id": torch.tensor(number)},
        ),
        "panoptic": (panoptic.roll(1, 0), panoptic),
    }


def stacked(values):
    """Collate what a policy would give: tensors and dicts of tensors in one, images with objects as a list."""
    if isinstance(values[0], dict):
        listed = "labels" in values[0] or "area" in values[0] or "scores" in values[0]
        return list(values) if listed else {key: torch.stack([value[key] for value in values]) for key in values[0]}
    return torch.stack(values)


def batch(numbers):
    samples = [sample(number) for number in numbers]
    return {kind: tuple(stacked([one[kind][side] for one in samples]) for side in (0, 1)) for kind in samples[0]}


def measured(names, *batches):
    together = MetricSet({name: make(name) for name in names})
    for numbers in batches:
        together.update(batch(numbers))
    return together


def flat(results):
    return results.scalars | {
        f"{key}[{place}]": number
        for key, table in results.tables.items()
        for place, number in enumerate(table.values.astype(float).flatten())
    }


def assert_same(found, expected):
    found, expected = flat(found), flat(expected)
    assert list(found) == list(expected)
    undefined = {key for key, value in expected.items() if math.isnan(value)}
    assert {key for key, value in found.items() if math.isnan(value)} == undefined
    assert [key for key, value in found.items() if value != expected[key] and key not in undefined] == []


WHOLE = [list(range(SAMPLES))]


@pytest.fixture(scope="module")
def whole():
    return measured(NAMES, *WHOLE).compute()


def test_there_are_as_many_as_the_list_says():
    assert len(NAMES) >= 30
    assert all(issubclass(classes_of(name), Metric) for name in NAMES)


def test_every_metric_gives_a_value_on_ordinary_batches(whole):
    of_metric = {name: [v for key, v in flat(whole).items() if key.startswith(name)] for name in NAMES}
    assert {name for name, values in of_metric.items() if not np.isfinite(values).any()} == set()


@settings(max_examples=12)
@given(order=st.permutations(range(SAMPLES)), cuts=st.lists(st.integers(1, SAMPLES - 1), max_size=4))
def test_neither_order_nor_split_of_the_batches_matters(whole, order, cuts):
    edges = [0, *sorted(set(cuts)), SAMPLES]
    batches = [order[start:end] for start, end in itertools.pairwise(edges)]
    assert_same(measured(NAMES, *batches).compute(), whole)


def test_nothing_is_defined_before_the_first_batch(whole):
    empty = measured(NAMES).compute()
    assert list(empty.scalars) == list(whole.scalars)
    assert [key for key, value in empty.scalars.items() if not math.isnan(value)] == []


def test_the_names_are_known_before_the_first_batch(whole):
    assert list(measured(NAMES).expected()) == list(whole.scalars)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_amid_an_epoch_goes_on_to_the_same_value(name):
    before, after = WHOLE[0][:4], WHOLE[0][4:]
    saved = pickle.loads(pickle.dumps(measured([name], before).state_dict()))
    restored = measured([name])
    restored.load_state_dict(saved)
    restored.update(batch(after))
    assert_same(restored.compute(), measured([name], before, after).compute())


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets_and_reading_does_not_change(name):
    together = measured([name], WHOLE[0][:5])
    first = together.compute()
    assert_same(together.compute(), first)
    together.reset()
    together.update(batch(WHOLE[0][:5]))
    assert_same(together.compute(), first)
    assert_same(copy.deepcopy(together).compute(), first)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_neither_predicted_nor_true_is_undefined_and_left_out_of_the_mean(name):
    together = measured([name])
    true = torch.zeros(2, SIZE, SIZE, dtype=torch.int64)
    box = {"boxes": torch.tensor([[0.0, 0.0, 9.0, 9.0]]), "labels": torch.tensor([0]), "scores": torch.ones(1)}
    together.update(
        batch([0])
        | {
            "classes": (torch.nn.functional.one_hot(true, CLASSES).movedim(-1, 1) * 9.0, true),
            "boxes": ([box], [box]),
            "panoptic": (torch.stack([true, true], -1),) * 2,
        }
    )
    values = together.compute().scalars
    absent = {key: value for key, value in values.items() if key.endswith(("/cat", "/dog"))}
    if name == "specificity":  # what is not of the class is there, and none of it is predicted to be
        assert list(absent.values()) == [1, 1]
    else:
        assert all(math.isnan(value) for value in absent.values())
    if absent and f"{name}/background" in values and not math.isnan(values[f"{name}/background"]):
        assert values[name] in (values[f"{name}/background"], 1)


def test_equal_states_are_one_for_the_whole_set():
    names = ["accuracy", "precision", "recall", "f1", "iou", "dice", "mcc", "kappa"]
    together = measured(names)
    assert len({metric.state for metric in together.metrics.values()}) == 1


# ---------------------------------------------------------------------------------------------------------- over ranks


def shares(ranks, samples):
    """Batches of each rank, no sample twice, uneven."""
    numbers = WHOLE[0][:samples]
    own = [numbers[rank::ranks] for rank in range(ranks)]
    return [[part[:2], part[2:]] if len(part) > 2 else [part] if part else [] for part in own]


def of_a_rank(rank, ranks, samples, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    together = measured(NAMES, *shares(ranks, samples)[rank])
    meetings, original = [], dist.all_reduce
    dist.all_reduce = lambda *args, **kwargs: meetings.append("sum") or original(*args, **kwargs)
    gather = dist.all_gather_into_tensor
    dist.all_gather_into_tensor = lambda *args, **kwargs: meetings.append("gather") or gather(*args, **kwargs)
    first, again = together.compute(), together.compute()
    counting = MetricSet({name: make(name) for name in ("accuracy", "f1", "iou", "dice", "mcc", "kappa", "top_k")})
    before = len(meetings)
    counting.compute()
    torch.save((first, again, meetings[:2], meetings[before:]), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(("ranks", "samples"), [(2, SAMPLES), (3, SAMPLES), (3, 2)], ids=["2", "3", "one has none"])
def test_ranks_give_what_one_rank_gives(ranks, samples, tmp_path):
    mp.spawn(of_a_rank, args=(ranks, samples, str(tmp_path)), nprocs=ranks)
    expected = measured(NAMES, WHOLE[0][:samples]).compute()
    for rank in range(ranks):
        first, again, meetings, for_counts = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        assert_same(first, expected)
        assert_same(again, expected)
        assert meetings == ["sum", "gather"]
        assert for_counts == ["sum"]
