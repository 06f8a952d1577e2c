"""Transforms made of others, and the letterbox, against what their words say."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.augs.compositions import OneOf, RandomOrder, Sequential, SomeOf
from dltools.augs.letterbox import Letterbox
from dltools.augs.pipeline import Augmentations
from dltools.augs.references import FourierAdaptation
from dltools.cfgutils import FieldError
from dltools.commands.parts import Parts


class Ramp:
    """A split of images with values below 100, one object each."""

    name = "train"

    def __init__(self, height: int = 30, width: int = 40) -> None:
        self.shape = height, width

    def __len__(self) -> int:
        return 400

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = np.random.default_rng(index).integers(10, 100, (*self.shape, 3)).astype(np.uint8)
        height, width = self.shape
        mask = np.zeros(self.shape, np.uint8)
        mask[height // 4 : height // 2, width // 4 : width // 2] = 1
        boxes = np.array([[width // 4, height // 4, width // 2, height // 2]], np.float32)
        return {"image": image, "index": index, "mask": mask, "boxes": boxes, "labels": np.ones(1)}


def adding(value: int, p: float = 1.0) -> Any:
    """Return a transform that adds a value to every pixel."""
    return A.AdditiveNoise("uniform", "constant", noise_params={"ranges": [(value / 255, value / 255)]}, p=p)


def added(transform: Any, count: int = 400) -> list[int]:
    """Return what a transform added to the first samples."""
    split = Ramp()
    dataset = Augmentations(train={"it": transform}).dataset(split, "train", seed=0)
    return [int(dataset[index]["image"][0, 0, 0]) - int(split[index]["image"][0, 0, 0]) for index in range(count)]


def test_one_of_applies_one_by_the_weights() -> None:
    counts = Counter(added(OneOf({"a": adding(1, p=0.75), "b": adding(10, p=0.25)}, p=0.5)))
    assert set(counts) == {0, 1, 10}
    assert counts[0] == pytest.approx(200, abs=40)
    assert counts[1] == pytest.approx(150, abs=40)
    assert counts[10] == pytest.approx(50, abs=30)


def test_some_of_draws_as_many_as_it_is_told() -> None:
    members = {"a": adding(1), "b": adding(10), "c": adding(50)}
    assert set(added(SomeOf(members, n=2))) == {11, 51, 60}
    assert set(added(SomeOf(members, n=2, replace=True))) == {2, 11, 20, 51, 60, 100}
    assert set(added(SomeOf({"a": adding(1, p=0.5)}, n=1))) == {0, 1}


def test_sequential_applies_all_or_none() -> None:
    assert set(added(Sequential({"a": adding(1), "b": adding(10)}, p=0.5))) == {0, 11}


def test_random_order_applies_all_in_any_order() -> None:
    darkened = A.RandomBrightnessContrast(brightness_limit=(0, 0), contrast_limit=(-0.9, -0.9), p=1)
    values = set(added(RandomOrder({"a": adding(100), "b": darkened})))
    first = Ramp()[0]["image"][0, 0, 0]
    assert len({value > 50 for value in values}) == 2, f"both orders, beginning with {first}"
    assert set(added(RandomOrder({"a": adding(1), "b": adding(10)}))) == {11}


def test_members_move_all_targets_and_take_the_numbers_of_the_sample() -> None:
    tree = {
        "turn": OneOf({"left": A.HorizontalFlip(p=1), "shift": A.Affine(translate_px=(-5, 5), p=1)}, p=0.9),
        "light": RandomOrder({"gamma": A.RandomGamma(p=0.7), "more": SomeOf({"noise": adding(3), "clahe": A.CLAHE()})}),
    }
    dataset = Augmentations(train=tree).dataset(Ramp(), "train", seed=4)
    keys = [(epoch, index) for epoch in range(3) for index in range(6)]
    expected = {key: dataset[key]["image"].numpy().tobytes() for key in keys}
    again = pickle.loads(pickle.dumps(dataset))
    assert {key: again[key]["image"].numpy().tobytes() for key in reversed(keys)} == expected
    assert len(set(expected.values())) == len(keys)
    for key in keys:
        sample = dataset[key]
        rows, columns = np.nonzero(sample["mask"].numpy())
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(sample["boxes"][0], box, atol=1)


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda: OneOf(), "transforms", "must have at least one, such as transforms.gaussian_blur"),
        (lambda: SomeOf({}), "transforms", "must have at least one"),
        (lambda: OneOf({"a": adding(1, p=0)}), "transforms", "must have one whose p is greater than 0"),
        (lambda: OneOf({"a": FourierAdaptation()}), "transforms.a", "got a FourierAdaptation; one that takes in other"),
        (lambda: SomeOf({"a": {"p": 0.5}}), "transforms.a", "got a dict"),
        (lambda: SomeOf({"a": adding(1)}, n=2), "n", "must be from 1 to 1, the number of transforms, got 2"),
        (lambda: RandomOrder({"a": adding(1)}, n=0), "n", "must be from 1 to 1, the number of transforms, got 0"),
        (lambda: Sequential({"a": adding(1)}, p=1.5), "p", "must be from 0 to 1, got 1.5"),
        (lambda: Letterbox(height=0), "height", "must be at least 1, got 0"),
    ],
)
def test_bad_fields_are_refused(make: Any, field: str, words: str) -> None:
    with pytest.raises(FieldError, match=words) as caught:
        make()
    assert caught.value.field == field


def test_compositions_are_chosen_and_their_members_set_by_words() -> None:
    train = Parts(
        [
            "+transform@augs.train.blurs=one_of",
            "+transform@augs.train.blurs.transforms=motion_blur+gaussian_blur",
            "augs.train.blurs.transforms.motion_blur.p=0.3",
            "augs.train.blurs.transforms.motion_blur.blur_limit=[3,5]",
            "augs.train.blurs.p=0.2",
        ]
    ).augs.train
    motion, gaussian = train["blurs"].transforms
    assert (motion.p, motion.blur_limit, gaussian.p, train["blurs"].p) == (0.3, (3, 5), 0.5, 0.2)
    assert train["blurs"].transforms_ps == pytest.approx([0.375, 0.625])


def test_an_error_inside_a_composition_names_it() -> None:
    class Broken(A.ImageOnlyTransform):
        def apply(self, img: Any, **params: Any) -> Any:
            raise RuntimeError("no such kernel")

    dataset = Augmentations(train={"blurs": OneOf({"it": Broken(p=1)}, p=1)}).dataset(Ramp(), "train", seed=0)
    with pytest.raises(Exception, match=r"augs.train.blurs failed on sample 3 of split 'train'.*no such kernel"):
        dataset[3]


# -------------------------------------------------------------------------------------------------------- letterbox


@given(st.tuples(*[st.integers(8, 90)] * 4))
@settings(max_examples=40)
def test_a_letterbox_has_its_size_and_the_image_keeps_its_shape(sides: tuple[int, int, int, int]) -> None:
    height, width, rows, columns = sides
    sample = Augmentations(eval={"it": Letterbox(rows, columns)}).dataset(Ramp(height, width), "eval", seed=0)[0]
    assert sample["image"].shape == (3, rows, columns)
    filled = (sample["mask"] == 255).numpy()
    inside = ~filled
    scale = min(rows / height, columns / width)
    assert abs(int(inside.any(1).sum()) - height * scale) <= 1
    assert abs(int(inside.any(0).sum()) - width * scale) <= 1
    assert (sample["image"].numpy()[:, filled] == 114).all()


def test_a_letterbox_takes_boxes_along() -> None:
    sample = Augmentations(eval={"it": Letterbox(60, 60)}).dataset(Ramp(30, 40), "eval", seed=0)[0]
    np.testing.assert_allclose(sample["boxes"], [[15, 10.5 + 7.5, 30, 22.5 + 7.5]], atol=0.6)
    rows, columns = np.nonzero(sample["mask"].numpy() == 1)
    tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(sample["boxes"][0], tight, atol=1)


def test_a_letterbox_averages_the_pixels_that_it_reduces() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    reduced = Letterbox(16, 16)(image=image)["image"]
    np.testing.assert_array_equal(reduced, cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA))


def test_a_letterbox_has_a_place_and_fills_by_words() -> None:
    words = ["augs=none", "+transform@augs.eval.letterbox=letterbox"]
    values = {"height": 24, "width": 48, "position": "top_left", "fill": 7, "fill_mask": 3}
    letterbox = Parts([*words, *(f"augs.eval.letterbox.{name}={value}" for name, value in values.items())]).augs.eval
    made = letterbox["letterbox"](image=np.full((12, 12, 1), 50, np.uint16), mask=np.ones((12, 12), np.uint8))
    assert made["image"].dtype == np.uint16
    assert (made["image"][:, :24] == 50).all() and (made["image"][:, 24:] == 7).all()
    assert (made["mask"][:, :24] == 1).all() and (made["mask"][:, 24:] == 3).all()
