"""Samples on their way through the augmentations."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dltools.augs.base import SampleTransform
from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.augs.randomness import SampleRandom
from dltools.cfgutils import ConfigError, DataError, FieldError

KEYS = [(epoch, index) for epoch in range(2) for index in range(12)]


class Noise:
    """A split of random images with two objects each; `changes` replaces keys of all samples, None takes one out."""

    name = "train"

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        sample = {
            "image": rng.integers(0, 256, (40, 48, 3), dtype=np.uint8),
            "index": index,
            "label": index % 3,
            "mask": rng.integers(0, 3, (40, 48), dtype=np.uint8),
            "boxes": np.array([[2, 4, 20, 30], [25, 5, 44, 38]], np.float32),
            "labels": np.array([7, 9]),
            "keypoints": np.array([[[5, 8, 2], [15, 20, 2]], [[30, 10, 2], [40, 30, 0]]], np.float32),
            "name": f"{index}.png",
            **copy.deepcopy(self.changes),
        }
        return {name: value for name, value in sample.items() if value is not None}


class Blend(SampleTransform):
    """Mean of the image and a random other one."""

    def __call__(
        self, sample: dict[str, Any], fetch: Callable[[int], dict[str, Any]], count: int, rng: np.random.Generator
    ) -> dict[str, Any]:
        other = fetch(int(rng.integers(count)))["image"]
        return {**sample, "image": (sample["image"] // 2 + other // 2).astype(np.uint8)}


def varied() -> Augmentations:
    """Return augmentations that draw from every source of randomness."""
    return Augmentations(
        train={
            "flip": A.HorizontalFlip(p=0.5),
            "blend": Blend(),
            "one_of": A.OneOf([A.GaussNoise(p=1), A.Affine(rotate=(-30, 30), p=1)], p=0.9),
            "jitter": A.ColorJitter(p=0.8),
            "dropout": A.CoarseDropout(fill="random", p=0.5),
        }
    )


def bytes_of(sample: dict[str, Any]) -> list[Any]:
    """Return all of a sample in a form that can be compared."""
    return [(name, value.tolist() if isinstance(value, torch.Tensor) else value) for name, value in sample.items()]


def one(transform: Any, **changes: Any) -> dict[str, Any]:
    """Return the first sample after one training transform."""
    fields = {name: changes.pop(name) for name in ("keypoint_swap", "min_visibility") if name in changes}
    return Augmentations(train={"it": transform}, **fields).dataset(Noise(**changes), "train", seed=0)[0]


# ------------------------------------------------------------------------------------------------------- randomness


def test_a_sample_is_a_function_of_seed_epoch_and_index() -> None:
    first = varied().dataset(Noise(), "train", seed=3)
    second = varied().dataset(Noise(), "train", seed=3)
    expected = {key: bytes_of(first[key]) for key in KEYS}
    assert {key: bytes_of(second[key]) for key in reversed(KEYS)} == expected
    assert len({str(value) for value in expected.values()}) == len(KEYS)
    assert bytes_of(varied().dataset(Noise(), "train", seed=4)[KEYS[0]]) != expected[KEYS[0]]
    assert bytes_of(first[5]) == expected[0, 5], "an index alone is of epoch 0"


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_batches(workers: int) -> None:
    dataset = varied().dataset(Noise(), "train", seed=3)

    def batches(num_workers: int) -> list[Any]:
        loader: DataLoader[Any] = DataLoader(
            dataset, batch_size=5, sampler=KEYS, num_workers=num_workers, collate_fn=lambda samples: samples
        )
        return [bytes_of(sample) for batch in loader for sample in batch]

    assert batches(workers) == batches(0)


def test_threads_do_not_disturb_one_another() -> None:
    dataset = varied().dataset(Noise(), "train", seed=3)
    expected = [bytes_of(dataset[key]) for key in KEYS]
    with ThreadPoolExecutor(4) as pool:
        assert [bytes_of(sample) for sample in pool.map(dataset.__getitem__, KEYS)] == expected


def test_a_data_set_that_was_used_can_be_pickled() -> None:
    dataset = varied().dataset(Noise(), "train", seed=3)
    expected = bytes_of(dataset[1, 4])
    assert bytes_of(pickle.loads(pickle.dumps(dataset))[1, 4]) == expected


def test_the_transforms_that_were_given_keep_their_own_state() -> None:
    flip = A.HorizontalFlip(p=0.5)
    flip.set_random_seed(1)
    before = flip.py_random.random()
    flip.set_random_seed(1)
    dataset = Augmentations(train={"flip": flip}).dataset(Noise(), "train", seed=0)
    _ = dataset[0], dataset[1]
    assert flip.py_random.random() == before


@given(st.lists(st.tuples(*[st.integers(0, 2**63)] * 3), min_size=2, max_size=2, unique=True))
@settings(max_examples=60)
def test_different_keys_draw_different_numbers(keys: list[tuple[int, int, int]]) -> None:
    source = SampleRandom()
    drawn = []
    for key in keys:
        source.set(*key)
        drawn.append((source.numpy.integers(2**63), source.python.random()))
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]


def test_numbers_drawn_for_one_sample_leave_no_trace_in_the_next() -> None:
    source = SampleRandom()

    def numbers(before: int) -> list[float]:
        source.set(1, 2, 3)
        source.numpy.random(before, dtype=np.float32)
        source.numpy.integers(0, 9, before, dtype=np.int32)
        source.set(1, 2, 4)
        return [*source.numpy.random(3), *source.numpy.random(3, dtype=np.float32), source.python.gauss(0, 1)]

    assert numbers(0) == numbers(1) == numbers(7)


# ---------------------------------------------------------------------------------------------------------- formats


def test_samples_are_tensors_of_the_types_that_losses_take() -> None:
    sample = varied().dataset(Noise(), "train", seed=0)[0]
    assert {name: (value.dtype, value.ndim) for name, value in sample.items() if isinstance(value, torch.Tensor)} == {
        "image": (torch.uint8, 3),
        "mask": (torch.uint8, 2),
        "boxes": (torch.float32, 2),
        "labels": (torch.int64, 1),
        "keypoints": (torch.float32, 3),
    }
    assert sample["image"].shape == (3, 40, 48)
    assert (sample["index"], sample["label"], sample["name"]) == (0, 0, "0.png")


def test_without_transforms_nothing_changes() -> None:
    raw = Noise()[3]
    sample = Augmentations().dataset(Noise(), "eval", seed=0)[3]
    np.testing.assert_array_equal(sample["image"].numpy(), raw["image"].transpose(2, 0, 1))
    np.testing.assert_array_equal(sample["mask"].numpy(), raw["mask"])
    np.testing.assert_array_equal(sample["boxes"].numpy(), raw["boxes"])
    np.testing.assert_array_equal(sample["keypoints"][0].numpy(), raw["keypoints"][0])


def test_training_and_evaluation_have_their_own_transforms() -> None:
    augs = Augmentations(train={"invert": A.InvertImg(p=1)}, eval={"crop": A.CenterCrop(16, 24)})
    raw = torch.from_numpy(Noise()[0]["image"]).permute(2, 0, 1)
    assert torch.equal(augs.dataset(Noise(), "train", 0)[0]["image"], 255 - raw)
    assert torch.equal(augs.dataset(Noise(), "eval", 0)[0]["image"], raw[:, 12:28, 12:36])


def test_one_channel_stays_an_axis() -> None:
    image = np.zeros((40, 48, 1), np.uint8)
    assert one(A.Affine(rotate=(10, 10), p=1), image=image)["image"].shape == (1, 40, 48)


@pytest.mark.parametrize("absent", [("mask",), ("boxes", "labels", "keypoints"), ("mask", "keypoints"), ("boxes",)])
def test_any_targets_may_be_absent(absent: tuple[str, ...]) -> None:
    sample = one(A.HorizontalFlip(p=1), **dict.fromkeys(absent))
    assert not set(absent) & set(sample)


# ---------------------------------------------------------------------------------------------------------- targets


def test_an_object_leaves_with_its_label_and_keypoints() -> None:
    sample = one(A.Crop(24, 0, 48, 40))
    np.testing.assert_allclose(sample["boxes"], [[1, 5, 20, 38]], atol=1e-4)
    assert sample["labels"].tolist() == [9]
    np.testing.assert_allclose(sample["keypoints"], [[[6, 10, 2], [0, 0, 0]]], atol=1e-4)


def test_all_objects_may_leave() -> None:
    sample = one(A.Crop(20, 0, 25, 4))
    assert sample["boxes"].shape == (0, 4)
    assert sample["labels"].shape == (0,)
    assert sample["keypoints"].shape == (0, 2, 3)


def test_samples_without_objects_pass() -> None:
    empty = {
        "boxes": np.zeros((0, 4), np.float32),
        "labels": np.zeros(0, np.int64),
        "keypoints": np.zeros((0, 2, 3), np.float32),
    }
    sample = one(A.Affine(rotate=(10, 10), p=1), **empty)
    assert sample["boxes"].shape == (0, 4)
    assert sample["labels"].dtype == torch.int64
    assert sample["keypoints"].shape == (0, 2, 3)


def test_a_box_is_dropped_when_too_little_of_it_is_left() -> None:
    crop = A.Crop(17, 0, 48, 40)
    assert one(crop, min_visibility=0.2)["labels"].tolist() == [9]
    assert one(crop, min_visibility=0.1)["labels"].tolist() == [7, 9]


def test_evaluation_keeps_every_object_that_is_in_the_image() -> None:
    boxes = np.array([[2, 4, 2.3, 30], [0, 5, 21, 38]], np.float32)
    augs = Augmentations(eval={"crop": A.Crop(20, 0, 48, 40)})
    assert augs.dataset(Noise(boxes=boxes), "eval", 0)[0]["labels"].tolist() == [9]
    augs = Augmentations(eval={"resize": A.Resize(20, 24)})
    assert augs.dataset(Noise(boxes=boxes), "eval", 0)[0]["labels"].tolist() == [7, 9]


def test_boxes_beyond_the_border_are_cut() -> None:
    sample = one(A.NoOp(), boxes=np.array([[-3, 4, 20, 30], [25, 5, 60, 44]], np.float32))
    np.testing.assert_allclose(sample["boxes"], [[0, 4, 20, 30], [25, 5, 48, 40]], atol=1e-4)


def test_keypoints_outside_the_image_are_absent() -> None:
    sample = one(A.Crop(0, 0, 30, 40), boxes=None, labels=None)
    np.testing.assert_allclose(sample["keypoints"], [[[5, 8, 2], [15, 20, 2]], [[0, 0, 0], [0, 0, 0]]], atol=1e-4)


def test_absent_keypoints_may_be_no_numbers() -> None:
    keypoints = np.array([[[5, 8, 2], [np.nan, np.nan, 0]], [[30, 10, 2], [40, 30, 2]]], np.float32)
    sample = one(A.HorizontalFlip(p=1), keypoints=keypoints)
    np.testing.assert_allclose(sample["keypoints"], [[[42, 8, 2], [0, 0, 0]], [[17, 10, 2], [7, 30, 2]]], atol=1e-4)


@pytest.mark.parametrize(
    ("transform", "mirrors"),
    [
        (A.HorizontalFlip(p=1), True),
        (A.VerticalFlip(p=1), True),
        (A.Transpose(p=1), True),
        (A.Rotate((90, 90), p=1), False),
        (A.Compose([A.HorizontalFlip(p=1), A.VerticalFlip(p=1)]), False),
        (A.Resize(20, 96), False),
    ],
)
def test_a_mirror_image_exchanges_left_and_right(transform: Any, mirrors: bool) -> None:
    keypoints = np.full((2, 2, 3), 2.0, np.float32)
    keypoints[..., :2] = [[[20, 18], [25, 20]], [[22, 21], [24, 18]]]
    plain, swapped = (one(transform, keypoints=keypoints, keypoint_swap=pairs) for pairs in ([], [[0, 1]]))
    expected = plain["keypoints"][:, [1, 0]] if mirrors else plain["keypoints"]
    torch.testing.assert_close(swapped["keypoints"], expected)


@pytest.mark.parametrize(
    ("transform", "factor"),
    [
        (A.Resize(80, 96), 2.0),
        (A.Resize(40, 24), 0.5**0.5),
        (A.HorizontalFlip(p=1), 1.0),
        (A.Rotate((37, 37), p=1), 1.0),
        (A.Affine(scale=(1.5, 1.5), p=1), 1.5),
        (A.Crop(0, 0, 20, 20), 1.0),
    ],
)
def test_the_scale_of_an_object_follows_the_image(transform: Any, factor: float) -> None:
    assert one(transform, scale=10.0, boxes=None)["scale"] == pytest.approx(10 * factor, rel=1e-3)


@pytest.mark.parametrize("keypoints", [None, np.ones((2, 2, 3), np.float32)], ids=["boxes alone", "keypoints"])
@pytest.mark.parametrize(
    ("transform", "factor", "kept"),
    [
        (A.Resize(80, 96), 4.0, [0, 1]),
        (A.Resize(40, 24), 0.5, [0, 1]),
        (A.HorizontalFlip(p=1), 1.0, [0, 1]),
        (A.ColorJitter(p=1), 1.0, [0, 1]),
        (A.Crop(24, 0, 48, 40), 1.0, [1]),
    ],
)
def test_areas_follow_the_image_and_leave_with_their_boxes(
    keypoints: Any, transform: Any, factor: float, kept: list[int]
) -> None:
    area, crowd = np.array([100, 36.5], np.float32), np.array([False, True])
    sample = one(transform, area=area, iscrowd=crowd, keypoints=keypoints)
    torch.testing.assert_close(sample["area"], torch.from_numpy(area[kept] * np.float32(factor)))
    assert sample["iscrowd"].tolist() == crowd[kept].tolist() and sample["iscrowd"].dtype == torch.bool
    assert ("keypoints" in sample) == (keypoints is not None)


def test_areas_of_no_object_stay_none() -> None:
    nothing = {"boxes": np.empty((0, 4), np.float32), "labels": np.empty(0, np.int64), "keypoints": None}
    sample = one(A.Resize(80, 96), area=np.empty(0, np.float32), iscrowd=np.empty(0, bool), **nothing)
    assert sample["area"].shape == sample["iscrowd"].shape == (0,)


def test_each_box_needs_an_area_if_any_has_one() -> None:
    with pytest.raises(DataError, match="it has 2 boxes and 1 rows of area; each box needs one"):
        one(A.NoOp(), area=np.ones(1, np.float32))


def test_our_own_transforms_stand_among_those_of_albumentations() -> None:
    augs = Augmentations(train={"flip": A.HorizontalFlip(p=1), "blend": Blend(), "again": A.HorizontalFlip(p=1)})
    sample = augs.dataset(Noise(), "train", seed=0)[0]
    np.testing.assert_allclose(sample["boxes"], Noise()[0]["boxes"], atol=1e-4)
    candidates = [Noise()[0]["image"] // 2 + Noise()[other]["image"] // 2 for other in range(12)]
    image = sample["image"].permute(1, 2, 0).numpy()
    assert any(np.array_equal(image, candidate) for candidate in candidates)


# ----------------------------------------------------------------------------------------------------------- errors


def test_an_error_names_the_transform_the_sample_and_the_split() -> None:
    class Broken(A.ImageOnlyTransform):
        def apply(self, img: Any, **params: Any) -> Any:
            raise RuntimeError("no such kernel")

    augs = Augmentations(train={"flip": A.HorizontalFlip(p=1), "sharp": Broken(p=1)})
    message = r"augs.train.sharp failed on sample 7 of split 'train', epoch 2: RuntimeError: no such kernel"
    with pytest.raises(DataError, match=message) as caught:
        augs.dataset(Noise(), "train", seed=0)[2, 7]
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_error_in_a_composition_and_in_our_own_transforms_is_named_too() -> None:
    class Refusing(SampleTransform):
        def __call__(self, sample: Any, fetch: Any, count: int, rng: Any) -> Any:
            raise ValueError("no")

    with pytest.raises(DataError, match=r"augs\.train\.own failed on sample 0"):
        Augmentations(train={"own": Refusing()}).dataset(Noise(), "train", 0)[0]
    crops = A.OneOf([A.RandomCrop(400, 400, p=1)], p=1)
    with pytest.raises(DataError, match=r"augs\.eval\.crops failed on sample 0"):
        Augmentations(eval={"crops": crops}).dataset(Noise(), "eval", 0)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.array([[2, 4, 20, 30], [9, 5, 3, 8]], np.float32)}, r"box 1 = \[9.0, 5.0, 3.0, 8.0\] covers"),
        ({"boxes": np.array([[50, 4, 60, 30], [1, 5, 3, 8]], np.float32)}, "box 0 .* of the image of 48 x 40 pixels"),
        ({"boxes": np.array([[np.nan, 4, 9, 9], [1, 5, 3, 8]], np.float32)}, "box 0"),
        ({"labels": np.array([1])}, "2 boxes and 1 rows of labels"),
        ({"mask": np.zeros((48, 40), np.uint8)}, r"mask is \(48, 40\) and its image \(40, 48\)"),
    ],
)
def test_impossible_targets_are_refused_by_split_and_index(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"^Sample 4 of split 'train': .*{message}"):
        Augmentations().dataset(Noise(**changes), "train", seed=0)[4]


def test_transforms_that_leave_uint8_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"augs\.train: the image became float32; it must stay uint8"):
        one(A.Normalize())


def test_what_is_no_transform_is_refused_by_name() -> None:
    with pytest.raises(FieldError, match=r"^train.flip must be a transform of albumentations or ours, got a str"):
        Augmentations(train={"flip": "horizontal"})


# ---------------------------------------------------------------------------------------------------- normalisation


@given(
    mean=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    std=st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
@settings(max_examples=25)
def test_normalisation_follows_its_formula(mean: list[float], std: list[float]) -> None:
    images = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    expected = (images.numpy().astype(np.float64) / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    result = Augmentations(mean=mean, std=std).normalize(images)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_one_value_serves_all_channels() -> None:
    images = torch.randint(0, 256, (2, 5, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(
        Augmentations(mean=[0.3], std=[0.2]).normalize(images),
        Augmentations(mean=[0.3] * 5, std=[0.2] * 5).normalize(images),
    )


def test_normalisation_keeps_the_memory_format() -> None:
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert Augmentations().normalize(images).is_contiguous(memory_format=torch.channels_last)


def test_constants_that_do_not_fit_the_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="must have 1 value or 4"):
        Augmentations(mean=[0.1, 0.2, 0.3]).normalize(torch.zeros(1, 4, 2, 2, dtype=torch.uint8))
    with pytest.raises(FieldError, match="std must be greater than 0"):
        Augmentations(std=[0.1, 0.0, 0.1])


# ---------------------------------------------------------------------------------------------------------- batches


def test_a_batch_stacks_what_is_of_one_size_and_lists_the_rest() -> None:
    area, crowd = np.ones(2, np.float32), np.zeros(2, bool)
    dataset = varied().dataset(Noise(scale=4.0, area=area, iscrowd=crowd), "train", seed=0)
    batch = collate([dataset[index] for index in range(4)])
    assert batch["image"].shape == (4, 3, 40, 48)
    assert batch["image"].dtype == torch.uint8
    assert batch["mask"].shape == (4, 40, 48)
    assert batch["label"].tolist() == [0, 1, 2, 0]
    assert batch["index"].dtype == torch.int64
    assert batch["scale"].shape == (4,)
    assert batch["name"] == ["0.png", "1.png", "2.png", "3.png"]
    assert [len(boxes) for boxes in batch["boxes"]] == [len(labels) for labels in batch["labels"]]
    assert [len(areas) for areas in batch["area"]] == [len(crowds) for crowds in batch["iscrowd"]]
    assert all(keypoints.shape[1:] == (2, 3) for keypoints in batch["keypoints"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("laid", ["pixel by pixel", "plane by plane", "numpy"])
def test_a_batch_of_images_is_their_stack_however_they_lie_in_memory(channels: int, dtype: Any, laid: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 200, (5, 6, channels)).astype(dtype) for _ in range(3)]
    tensors: list[Any] = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    if laid == "plane by plane":
        tensors = [tensor.contiguous() for tensor in tensors]
    if laid == "numpy":
        tensors = [tensor.numpy() for tensor in tensors]
    batch = collate([{"image": tensor, "index": index} for index, tensor in enumerate(tensors)])["image"]
    assert batch.is_contiguous()
    np.testing.assert_array_equal(batch.numpy(), np.stack([image.transpose(2, 0, 1) for image in images]))


def test_images_of_different_sizes_are_refused_with_the_remedy() -> None:
    dataset = Augmentations(train={"scale": A.RandomScale((-0.5, 0.5), p=1)}).dataset(Noise(), "train", seed=0)
    with pytest.raises(DataError, match=r"'image' differs in shape .* samples 0, 1.* such as resize or random_crop"):
        collate([dataset[0], dataset[1]])


def test_samples_of_different_keys_are_refused() -> None:
    with pytest.raises(DataError, match="Some samples have 'label' and some have not: samples 0, 1"):
        collate([{"index": 0, "label": 1}, {"index": 1}])
