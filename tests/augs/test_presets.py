"""The presets of augs: what they keep right, whatever they do to an image."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dltools.augs.base import SampleTransform
from dltools.augs.pipeline import Augmentations
from dltools.cfgutils.options import first_comment, presets_folder
from dltools.cfgutils.presets import preset_choices
from dltools.commands.parts import Parts

TASKS = ("classification", "segmentation", "detection", "keypoints")
LEVELS = ("light", "medium", "heavy")
NAMES = [f"{task}_{level}" for task in TASKS for level in LEVELS]
DISCS = 6
COARSE = {"segmentation_heavy": 5.0, "detection_heavy": 2.0}
"""Pixels by which keypoints may miss where images are stretched piece by piece, or made smaller and larger again."""


@lru_cache
def augs_of(name: str) -> Augmentations:
    """Return the augmentations of a preset, with what its task knows of the built-in data."""
    return Parts([f"task={name.partition('_')[0]}", f"augs={name}"]).augs


class Discs:
    """A split of photographs with six discs each, which have mask ids and labels of their own in the whole split."""

    name = "train"

    def __init__(self, height: int = 90, width: int = 96) -> None:
        self.height, self.width = height, width

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        height, width = self.height, self.width
        centres = np.array([[x, y] for x in (width / 5, width / 2, width / 1.25) for y in (height / 3.5, height / 1.4)])
        centres += rng.uniform(-3, 3, centres.shape)
        ids = np.arange(DISCS) + 1 + index * DISCS
        mask = np.zeros((height, width), np.uint8)
        for number, (x, y) in zip(ids.tolist(), centres, strict=True):
            cv2.circle(mask, (round(x * 16 - 8), round(y * 16 - 8)), 8 * 16, number, -1, cv2.LINE_8, 4)
        photograph = load_photograph()[index * 20 : index * 20 + height, index * 30 : index * 30 + width]
        return {
            "image": np.where(mask[..., None] > 0, np.uint8(255) - photograph, photograph),
            "index": index,
            "label": index,
            "mask": mask,
            "boxes": np.array([box_of(mask == number) for number in ids], np.float32),
            "labels": ids,
            "keypoints": np.concatenate([centres, np.full((DISCS, 1), 2)], axis=1).astype(np.float32)[:, None],
        }


@lru_cache
def load_photograph() -> Any:
    """Return a photograph of 427 x 640 pixels."""
    return load_sample_image("flower.jpg")


def box_of(inside: Any) -> list[int]:
    """Return the box around the pixels of a region."""
    rows, columns = np.nonzero(inside)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def whole(inside: Any, box: Any) -> bool:
    """Tell whether a disc is cut off neither by the border nor by something over it.

    A whole one is about as wide as high and fills pi / 4 of its box.
    """
    cut = inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any()
    sides = np.subtract(box[2:], box[:2])
    return not cut and sides.min() > 0.75 * sides.max() and inside.sum() > 0.7 * sides.prod()


@pytest.mark.parametrize("name", NAMES)
def test_masks_boxes_and_keypoints_agree(name: str) -> None:
    augs = augs_of(name)
    dataset = augs.dataset(Discs(), "train", seed=0)
    holes = "coarse_dropout" in augs.train  # which leave the mask alone, and cut boxes to what is left to see
    for number in range(50):
        sample = {
            key: getattr(value, "numpy", lambda value=value: value)()
            for key, value in dataset[number, number % 8].items()
        }
        assert sample["image"].dtype == np.uint8
        assert sample["image"].shape == (3, 90, 96), "the size stays"
        if "boxes" not in sample:
            assert "mask" not in sample, "what classification does not learn is left out where images are mixed"
            continue
        boxes, labels, keypoints, mask = (sample[key] for key in ("boxes", "labels", "keypoints", "mask"))
        assert len(boxes) == len(labels) == len(keypoints)
        assert (boxes[:, :2] >= -1e-3).all() and (boxes[:, 2:] <= [96 + 1e-3, 90 + 1e-3]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        for label, box, (x, y, visible) in zip(labels, boxes, keypoints[:, 0], strict=True):
            inside = mask == label
            if (labels == label).sum() > 1 or not inside.any():
                continue
            tight = np.array(box_of(inside))
            spare = np.concatenate([tight[:2] - box[:2], box[2:] - tight[2:]])
            assert holes or (spare >= -1.5).all(), f"disc {label} of sample {number} sticks out of its box"
            if not whole(inside, tight):
                continue
            assert (spare <= 2 + 0.25 * np.ptp(box.reshape(2, 2), axis=0).max()).all(), (
                f"the box of disc {label} of sample {number} is too wide"
            )
            if visible:
                rows, columns = np.nonzero(inside)
                miss = np.hypot(columns.mean() + 0.5 - x, rows.mean() + 0.5 - y)
                assert miss < COARSE.get(name, 1.2), f"the keypoint of disc {label} of sample {number} is off"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_the_same_whoever_makes_it_and_when(name: str) -> None:
    keys = [(0, 1), (0, 2), (3, 1), (3, 7)]

    def made(order: list[tuple[int, int]], noise: int) -> dict[tuple[int, int], list[bytes]]:
        dataset = augs_of(name).dataset(Discs(), "train", seed=5)
        samples = {}
        for key in order:
            np.random.seed(noise)
            random.seed(noise)
            cv2.setRNGSeed(noise)
            samples[key] = [np.asarray(value).tobytes() for value in dataset[key].values()]
        return samples

    first = made(keys, 1)
    assert made(keys[::-1], 2) == first
    assert len({sample[0] for sample in first.values()}) == len(keys)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("keypoints")])
def test_a_crop_of_one_object_keeps_it(name: str) -> None:
    parts = Parts(["task=keypoints", f"augs={name}", "data.train_scenes=10"])
    dataset = parts.augs.dataset(parts.policy.prepare(parts.data.split("train")), "train", seed=0)
    seen = []
    for number in range(200):
        sample = dataset[number, number % len(dataset)]
        assert sample["keypoints"].shape == (1, 5, 3) and sample["boxes"].shape == (1, 4)
        seen.append((sample["keypoints"][..., 2] > 0).sum())
    assert min(seen) >= 2 and np.mean(seen) > 4.5, "most points stay in the crop"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_mirrored_unless_a_word_says_so(name: str) -> None:
    assert augs_of(name).train["horizontal_flip"].p == 0
    comment = first_comment(presets_folder() / "augs" / f"{name}.yaml")
    assert "mirror" in comment and comment.endswith(".")


@pytest.mark.parametrize("task", TASKS)
def test_levels_differ_more_and_more_from_the_original(task: str) -> None:
    split = Discs()
    changes = []
    for level in LEVELS:
        transforms = {
            name: transform
            for name, transform in augs_of(f"{task}_{level}").train.items()
            if not isinstance(transform, SampleTransform)
        }
        dataset = Augmentations(train=transforms).dataset(split, "train", seed=0)
        images = [(dataset[epoch, 0]["image"].permute(1, 2, 0).numpy(), split[0]["image"]) for epoch in range(40)]
        changes.append(np.mean([np.abs(image.astype(float) - original).mean() for image, original in images]))
    assert changes == sorted(changes)


@pytest.mark.parametrize("name", NAMES)
def test_any_size_and_one_channel_will_do(name: str) -> None:
    class Grey(Discs):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return {**sample, "image": sample["image"][..., :1].copy()}

    dataset = augs_of(name).dataset(Grey(231, 317), "train", seed=0)
    for epoch in range(3):
        assert dataset[epoch, 2]["image"].shape == (1, 231, 317)


@pytest.mark.parametrize("task", TASKS)
def test_light_presets_take_images_of_16_bits(task: str) -> None:
    class Deep(Discs):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return {**sample, "image": sample["image"].astype(np.uint16) * 257}

    deep, plain = (augs_of(f"{task}_light").dataset(split, "train", seed=0) for split in (Deep(), Discs()))
    for key in ((epoch, 1) for epoch in range(6)):
        difference = deep[key]["image"].numpy() / 257 - plain[key]["image"].numpy()
        assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("heavy")])
def test_every_transform_of_a_preset_may_be_set_and_left_out_by_a_word(name: str) -> None:
    words = [f"task={name.partition('_')[0]}", f"augs={name}", "augs.train.affine.rotate=[-1,1]"]
    names = list(augs_of(name).train)
    changed = Parts([*words, f"~augs.train.{names[-1]}", "augs.train.horizontal_flip.p=0.5"]).augs.train
    assert list(changed) == names[:-1]
    assert (changed["affine"].rotate, changed["horizontal_flip"].p) == ((-1, 1), 0.5)
    more = Parts([*words, "+transform@augs.train=clahe+random_gamma"]).augs.train
    assert list(more) == [*names, "clahe", "random_gamma"]


def test_presets_are_composed_with_the_task_that_begins_their_name() -> None:
    choices = preset_choices(presets_folder())
    assert all([f"task={name.partition('_')[0]}", f"augs={name}"] in choices for name in NAMES)
    assert ["augs=none"] in choices and ["optim=adamw_finetune"] in choices
