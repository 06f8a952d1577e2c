"""The table of transforms against albumentations itself."""

from __future__ import annotations

import inspect
import random
import re
import warnings
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import FieldError
from dltools.cfgutils.build import build
from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.index import index
from dltools.cfgutils.search_path import compose

TARGETS = {
    name: entry.target.removeprefix("albumentations.")
    for name in index().names("transform")
    if (entry := index().find("transform", name)) and entry.target.startswith("albumentations.")
}
LEFT_OUT = {
    "leave uint8": {"Normalize", "ToFloat", "FromFloat", "ToTensorV2"},
    "are ours here, for they need other images": {"FDA", "HistogramMatching", "PixelDistributionAdaptation", "Mosaic"},
    "need metadata": {
        "OverlayElements",
        "TextImage",
        "RandomCropNearBBox",
    },
    "are for volumes": {
        "CenterCrop3D",
        "CoarseDropout3D",
        "CubicSymmetry",
        "Pad3D",
        "PadIfNeeded3D",
        "RandomCrop3D",
        "ToTensor3D",
    },
    "take functions": {"Lambda"},
    "move boxes wrongly": {"Morphological"},
    "are other names of transforms in the table": {
        "ShiftScaleRotate",
        "TimeReverse",
        "TimeMasking",
        "FrequencyMasking",
    },
    "are base classes": {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"},
}
SMALL = {
    "height": 40,
    "width": 40,
    "size": [40, 40],
    "min_max_height": [30, 50],
    "x_max": 40,
    "y_max": 40,
    "max_size": 56,
    "min_height": 70,
    "min_width": 70,
    "magnitude": 2,
}
"""Sizes and lengths that fit the samples of this file."""
DEFORMING = {
    "elastic_transform": 2.0,
    "grid_distortion": 3.5,
    "grid_elastic_deform": 2.0,
    "optical_distortion": 2.5,
    "piecewise_affine": 4.0,
}
"""Pixels by which keypoints may miss: these move a neighbourhood by more than one vector."""
RESIZING = {"crop_and_pad", "random_resized_crop", "random_sized_crop", "random_sized_bbox_safe_crop", "random_scale"}
"""Albumentations scales keypoints about the centre of the first pixel and images about its corner."""
TEARING = {"random_grid_shuffle", "thin_plate_spline"}
"""These cut or fold the image, so that a disc may have no single place."""


COMPOSITIONS_LEFT_OUT = {
    "are what a pipeline is": {"Compose", "ReplayCompose"},
    "are one_of with two members": {"OneOrOther"},
    "change channels of an image of more channels alone, which 2.0.8 does in place": {"SelectiveChannelTransform"},
    "are base classes": {"BaseCompose"},
}
OVERRIDES = [
    ("affine", "rotate=[-10,10]", {"rotate": (-10, 10)}),
    ("affine", "rotate=10", {"rotate": (10, 10)}),
    ("affine", "rotate=[-1.5,3]", {"rotate": (-1.5, 3)}),
    ("affine", "translate_percent=null", {"translate_percent": None}),
    ("affine", "rotate_method=ellipse", {"rotate_method": "ellipse"}),
    ("affine", "border_mode=4", {"border_mode": 4}),
    ("coarse_dropout", "fill=random", {"fill": "random"}),
    ("coarse_dropout", "fill=[1,2,3]", {"fill": (1, 2, 3)}),
    ("coarse_dropout", "num_holes_range=[3,5]", {"num_holes_range": (3, 5)}),
    ("color_jitter", "hue=0.1", {"hue": (-0.1, 0.1)}),
    ("crop_and_pad", "percent=[-0.2,0.0]", {"percent": (-0.2, 0.0)}),
    ("image_compression", "compression_type=webp", {"compression_type": "webp"}),
    ("longest_max_size", "max_size=[32,64]", {"max_size": [32, 64]}),
    ("pad_if_needed", "min_height=null pad_height_divisor=32", {"min_height": None, "pad_height_divisor": 32}),
    ("random_resized_crop", "size=[32,48]", {"size": (32, 48)}),
    ("safe_rotate", "p=1", {"p": 1.0}),
]
"""Words below `augs.train.<name>`, and what of the transform they set."""


def config_of(name: str) -> Any:
    """Return the stored config of a transform, always applied."""
    entry = index().find("transform", name)
    assert entry is not None
    ensure_stored("transform", name, entry.module)
    return OmegaConf.merge(ConfigStore.instance().load(f"transform/{name}.yaml").node, {"p": 1.0})


def transform_of(name: str) -> Any:
    """Return a transform that is always applied, with sizes that fit the samples of this file."""
    config = config_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build(OmegaConf.merge(config, {key: value for key, value in SMALL.items() if key in config}), name)


def sample_of(index: int) -> dict[str, Any]:
    """Return six discs in their own mask ids, with their boxes and centres."""
    rng = np.random.default_rng(index)
    centres = np.array([[x, y] for x in (12, 32, 52) for y in (16, 44)]) + rng.uniform(-3, 3, (6, 2))
    mask = np.zeros((60, 64), np.uint8)
    for number, (x, y) in enumerate(centres, start=1):
        cv2.circle(mask, (round(x * 16), round(y * 16)), 4 * 16, number, -1, cv2.LINE_8, 4)
    image = (mask[..., None] * np.array([40, 30, 20]) + rng.integers(0, 9, (60, 64, 3))).astype(np.uint8)
    boxes = np.array([box_of(mask == number) for number in range(1, 7)], np.float32)
    keypoints = np.concatenate([centres, np.full((6, 1), 2.0)], axis=1).astype(np.float32)[:, None]
    return {
        "image": image,
        "index": index,
        "mask": mask,
        "boxes": boxes,
        "labels": np.arange(1, 7),
        "keypoints": keypoints,
    }


def box_of(inside: np.ndarray) -> list[int]:
    """Return the box around the pixels of a mask."""
    rows, columns = np.nonzero(inside)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


class Discs:
    """A split of discs."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        return sample_of(index)


def test_every_class_of_albumentations_is_in_the_table_or_left_out_for_a_reason() -> None:
    classes = {
        name for name, value in vars(A).items() if inspect.isclass(value) and issubclass(value, A.BasicTransform)
    }
    left_out = set().union(*LEFT_OUT.values())
    assert set(TARGETS.values()) | left_out == classes
    assert not set(TARGETS.values()) & left_out


def test_every_composition_of_albumentations_is_ours_or_left_out_for_a_reason() -> None:
    classes = {name for name, value in vars(A).items() if inspect.isclass(value) and issubclass(value, A.BaseCompose)}
    ours = {entry.target.rpartition(".")[2] for name in index().names("transform") if (entry := entry_of(name))}
    left_out = set().union(*COMPOSITIONS_LEFT_OUT.values())
    assert classes - left_out <= ours
    assert not ours & left_out


def entry_of(name: str) -> Any:
    """Return the entry of a composition of ours, or None."""
    entry = index().find("transform", name)
    return entry if entry and entry.module == "dltools.augs.compositions" else None


def test_every_transform_can_be_named_in_one_sum_and_every_parameter_set_by_a_word() -> None:
    chosen = [f"augs.train.{name}.p=0.25" for name in TARGETS]
    for name in TARGETS:
        defaults = OmegaConf.to_container(config_of(name))
        values = {key: value for key, value in defaults.items() if key not in ("_target_", "p")}
        chosen += [f"augs.train.{name}.{key}={word_of(value)}" for key, value in values.items()]
    config = compose([f"+transform@augs.train={'+'.join(TARGETS)}", "augs=none", *chosen])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train = build(config.augs, "augs").train
    assert {name: transform.p for name, transform in train.items()} == dict.fromkeys(TARGETS, 0.25)


def word_of(value: Any) -> str:
    """Return a value as one writes it on the command line."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{word_of(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(word_of, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("name", "words", "expected"), OVERRIDES)
def test_ranges_choices_and_nothing_can_be_set_by_words(name: str, words: str, expected: dict[str, Any]) -> None:
    values = [f"augs.train.{name}.{word}" for word in words.split()]
    config = compose(["augs=none", f"+transform@augs.train.{name}={name}", *values])
    transform = build(config.augs, "augs").train[name]
    assert {key: getattr(transform, key) for key in expected} == expected


def test_a_single_transform_needs_a_name() -> None:
    config = compose(["augs=none", "+transform@augs.train=blur"])
    with pytest.raises(FieldError, match=r"augs.train must be transforms by name, got a Blur; .* under a name"):
        build(config.augs, "augs")


def test_names_are_the_class_names_in_snake_case() -> None:
    assert {name: target.replace("_", "").lower() for name, target in TARGETS.items()} == {
        name: name.replace("_", "") for name in TARGETS
    }
    assert all(re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", name) for name in TARGETS)


def moves(name: str) -> bool:
    """Tell whether a transform moves pixels, each to one place."""
    return name not in TEARING and issubclass(getattr(A, TARGETS[name]), A.DualTransform)


@pytest.mark.parametrize("name", TARGETS)
def test_it_keeps_uint8_and_takes_masks_boxes_and_keypoints_along(name: str) -> None:
    augs = Augmentations(train={name: transform_of(name)})
    dataset = augs.dataset(Discs(), "train", seed=0)
    for position in range(3):
        sample = dataset[0, position]
        _, height, width = sample["image"].shape
        assert sample["mask"].shape == (height, width)
        assert len(sample["boxes"]) == len(sample["labels"]) == len(sample["keypoints"])
        boxes = sample["boxes"].numpy()
        assert (boxes[:, :2] >= -1e-3).all()
        assert (boxes[:, 2:] <= np.array([width, height]) + 1e-3).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize("name", TARGETS)
def test_it_is_random_by_the_key_of_a_sample_alone(name: str) -> None:

    def images(order: list[tuple[int, int]], noise: int) -> dict[tuple[int, int], bytes]:
        dataset = Augmentations(train={name: transform_of(name)}).dataset(Discs(), "train", seed=5)
        made = {}
        for key in order:
            np.random.seed(noise)
            random.seed(noise)
            cv2.setRNGSeed(noise)
            sample = dataset[key]
            made[key] = sample["image"].numpy().tobytes() + sample["boxes"].numpy().tobytes()
        return made

    keys = [(0, 1), (0, 2), (3, 1)]
    assert images(keys, 1) == images(keys[::-1], 2)


@pytest.mark.parametrize("name", [name for name in TARGETS if moves(name)])
def test_masks_boxes_and_keypoints_move_together(name: str) -> None:
    dataset = Augmentations(train={name: transform_of(name)}).dataset(Discs(), "train", seed=1)
    for position in range(8):
        sample = dataset[position]
        mask = sample["mask"].numpy()
        for label, box, keypoint in zip(sample["labels"], sample["boxes"], sample["keypoints"], strict=True):
            inside = mask == int(label)
            if inside.sum() < 35 or touches_border(inside) or keypoint[0, 2] == 0:
                continue
            rows, columns = np.nonzero(inside)
            miss = np.hypot(columns.mean() - float(keypoint[0, 0]), rows.mean() - float(keypoint[0, 1]))
            assert miss < DEFORMING.get(name, 1.5 if name in RESIZING else 1.0), f"disc {label} of sample {position}"
            if "dropout" in name or name == "erasing":
                continue
            spare = np.array(box_of(inside)) - box.numpy()
            assert (spare[:2] >= -2).all(), f"disc {label} of sample {position} sticks out of its box"
            assert (spare[2:] <= 2).all(), f"disc {label} of sample {position} sticks out of its box"
            assert np.abs(spare).max() < (8 if name in DEFORMING else 6), (
                f"the box of disc {label} of sample {position} is too wide"
            )


def touches_border(inside: np.ndarray) -> bool:
    """Tell whether a region is cut off."""
    return bool(inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())
