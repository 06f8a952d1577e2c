"""`${stats:...}` in configs: what it stands for, how often the data are read for it, and when it is counted anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from omegaconf import OmegaConf, open_dict

from dltools.cfgutils import ConfigError, DataError
from dltools.cfgutils.explain import explain
from dltools.cfgutils.resolvers import resolved
from dltools.cfgutils.search_path import compose
from dltools.data.statistics import class_weights
from dltools.policies.statistics import RunStatistics, count_for_configs

CLASSES = ["ground", "road", "sign"]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLTOOLS_CACHE", str(tmp_path / "cache"))
    count_for_configs()


@pytest.fixture
def root(tmp_path):
    """Six images with masks to train on, and others for validation."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        for kind in ("images", "masks"):
            (tmp_path / "set" / split / kind).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 200, (16, 24, 3), np.uint8)
            mask = rng.choice([0, 0, 0, 1, 255, 2] if number else [0, 1], (16, 24)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "set" / split / "images" / f"{number}.png"), image)
            cv2.imwrite(str(tmp_path / "set" / split / "masks" / f"{number}.png"), mask)
    return tmp_path / "set"


@pytest.fixture
def opened(monkeypatch):
    """The paths of all images that are read."""
    paths = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: paths.append(path) or read(path))
    return paths


def composed(*words):
    config = compose(list(words))
    with open_dict(config):
        del config["hydra"]
    return config


def config_of(root, *words):
    names = ",".join(CLASSES)
    return composed(
        "task=segmentation", "data=folder_masks", f"data.root={root}", f"data.class_names=[{names}]", *words
    )


def truth(root, of="train"):
    images = np.stack([cv2.imread(str(path))[..., ::-1] for path in sorted((root / of / "images").iterdir())])
    masks = np.stack([cv2.imread(str(path), 0) for path in sorted((root / of / "masks").iterdir())])
    return images.reshape(-1, 3) / 255, masks


ASKED = [
    "augs.mean=${stats:mean}",
    "augs.std=${stats:std}",
    "loss.ce.class_weight=${stats:class_weight,median_frequency}",
    "+tags.share=${stats:class_share}",
    "+tags.top=${stats:quantile,0.5}",
    "+tags.count=${stats:class_count}",
]


def test_they_are_those_of_numpy_and_of_the_training_split_alone(root):
    values = resolved(config_of(root, *ASKED[:3]))
    pixels, masks = truth(root)
    np.testing.assert_allclose(values["augs"]["mean"], pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(values["augs"]["std"], pixels.std(0), rtol=1e-12)
    counts = np.array([(masks == name).sum() for name in range(3)])
    around = np.array([sum((mask != 255).sum() for mask in masks if (mask == name).any()) for name in range(3)])
    raw = around / counts
    raw /= (counts / counts.sum() * raw).sum()
    np.testing.assert_allclose(values["loss"]["ce"]["class_weight"], raw, rtol=1e-12)


def test_each_file_is_opened_once_for_all_of_them_and_not_again_in_the_next_run(root, opened):
    first = resolved(config_of(root, *ASKED[:3]))
    assert len(opened) == len(set(opened)) == 12, "images and masks"
    opened.clear()
    assert resolved(config_of(root, *ASKED[:3])) == first
    assert opened == []
    resolved(config_of(root, "loss.ce.class_weight=${stats:class_weight,enet}"))
    assert opened == [], "another scheme needs no other counts"


def test_a_changed_file_is_noticed_and_all_is_counted_anew(root, opened, caplog):
    before = resolved(config_of(root, "augs.mean=${stats:mean}"))["augs"]["mean"]
    path = root / "train" / "images" / "3.png"
    cv2.imwrite(str(path), np.full((16, 24, 3), 255, np.uint8))
    os.utime(path, ns=(1, 1))
    opened.clear()
    after = resolved(config_of(root, "augs.mean=${stats:mean}"))["augs"]["mean"]
    assert len(opened) == 12
    assert "is stale: the data have changed since; counted anew" in caplog.text
    np.testing.assert_allclose(after, truth(root)[0].mean(0), rtol=1e-12)
    assert not np.allclose(before, after)


def test_they_are_counted_after_the_transforms_that_do_the_same_in_every_epoch(root):
    words = [
        "augs=none",
        "+transform@augs.train.crop=crop",
        "augs.train.crop.x_max=8",
        "augs.train.crop.y_max=4",
        "+transform@augs.train.flip=random_brightness_contrast",
    ]
    values = resolved(config_of(root, *words, "augs.mean=${stats:mean}"))
    images = np.stack([cv2.imread(str(path))[:4, :8, ::-1] for path in sorted((root / "train" / "images").iterdir())])
    np.testing.assert_allclose(values["augs"]["mean"], images.reshape(-1, 3).mean(0) / 255, rtol=1e-12)


def test_interpolations_of_interpolations_and_other_arguments(root):
    config = config_of(root, "+tags.scheme=enet")
    config.loss.ce.class_weight = "${stats:class_weight,${tags.scheme},2}"
    counts = np.bincount(truth(root)[1].ravel(), minlength=256)[:3]
    wanted = class_weights(counts, "enet", max_ratio=2)
    np.testing.assert_allclose(resolved(config)["loss"]["ce"]["class_weight"], wanted, rtol=1e-12)


def test_weights_of_positives_and_biases_are_of_all_classes_or_of_one(root):
    counts = np.bincount(truth(root)[1].ravel(), minlength=256)[:3]
    statistics = RunStatistics(config_of(root))
    np.testing.assert_allclose(statistics.answer("pos_weight"), (counts.sum() - counts) / counts)
    np.testing.assert_allclose(statistics.answer("pos_weight", "sign"), [(counts.sum() - counts[2]) / counts[2]])
    np.testing.assert_allclose(statistics.answer("pos_weight", 1), [(counts.sum() - counts[1]) / counts[1]])
    share = (counts + 0.5) / (counts.sum() + 1)
    np.testing.assert_allclose(statistics.answer("prior_bias"), np.log(share / (1 - share)))
    assert statistics.answer("class_count") == counts.tolist()
    np.testing.assert_allclose(statistics.answer("class_share"), counts / counts.sum())
    np.testing.assert_allclose(statistics.answer("quantile", 0.5), np.quantile(truth(root)[0], 0.5, axis=0))


def test_objects_give_anchors_and_the_most_of_an_image():
    statistics = RunStatistics(composed("task=detection", "data.train_scenes=40"))
    anchors = np.array(statistics.answer("anchors", 3))
    assert anchors.shape == (3, 2) and (np.diff(anchors.prod(1)) > 0).all()
    split = statistics._data.split("train")
    assert statistics.answer("max_objects") == max(len(sample["boxes"]) for sample in split)


def test_a_cache_that_cannot_be_written_only_costs_time(root, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DLTOOLS_CACHE", str(tmp_path / "file"))
    values = resolved(config_of(root, "augs.mean=${stats:mean}"))
    np.testing.assert_allclose(values["augs"]["mean"], truth(root)[0].mean(0), rtol=1e-12)
    assert "Statistics cannot be kept in" in caplog.text


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("augs.mean=${stats:men}", r"There is no statistic 'men'. Did you mean 'mean'\?.*\(in augs.mean\)"),
        (
            "loss.ce.class_weight=${stats:class_weight,enets}",
            r"\$\{stats:class_weight,enets\}: there is no scheme 'enets'. Did you mean 'enet'",
        ),
        ("augs.mean=${stats:mean,3}", r"\$\{stats:mean,3\}: it takes other arguments. Write \$\{stats:mean\}"),
        ("augs.mean=${stats:quantile,2}", r"probabilities must be from 0 to 1"),
        ("augs.mean=${stats:pos_weight,sing}", r"there is no class 'sing'. Did you mean 'sign'\?"),
        ("data.max_pixels=${stats:max_objects}", r"data, policy, and the first transforms of augs.train cannot depend"),
    ],
)
def test_wrong_words_are_told_with_what_would_be_right(root, word, message):
    with pytest.raises(ConfigError) as caught:
        resolved(config_of(root, word))
    assert re.search(message, explain(caught.value)), explain(caught.value)


def test_a_sample_that_cannot_be_counted_is_named_or_skipped(root, caplog):
    (root / "train" / "images" / "2.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"Sample 2 of split.*2.png cannot be decoded"):
        resolved(config_of(root, "augs.mean=${stats:mean}"))
    skip = ["loader.on_error=skip", "loader.max_skipped=0.2"]
    values = resolved(config_of(root, "augs.mean=${stats:mean}", *skip))
    images = [path for path in sorted((root / "train" / "images").iterdir()) if path.stem != "2"]
    pixels = np.stack([cv2.imread(str(path))[..., ::-1] for path in images]).reshape(-1, 3) / 255
    np.testing.assert_allclose(values["augs"]["mean"], pixels.mean(0), rtol=1e-12)


def test_a_task_without_what_is_asked_says_so():
    with pytest.raises(DataError, match="it has no boxes"):
        resolved(composed("task=classification", "augs.mean=${stats:anchors,2}"))


def test_a_preset_may_ask_and_words_after_it_may_ask_otherwise(root):
    words = ["experiment=scenes_weighted", "data=folder_masks", f"data.root={root}"]
    words += [f"data.class_names=[{','.join(CLASSES)}]", "augs.mean=[0.25]"]
    config = composed(*words, "loss.ce.class_weight=${stats:class_weight,enet}")
    values = resolved(config)
    assert values["augs"]["mean"] == [0.25]
    np.testing.assert_allclose(values["augs"]["std"], truth(root)[0].std(0), rtol=1e-12)
    counts = np.bincount(truth(root)[1].ravel(), minlength=256)[:3]
    np.testing.assert_allclose(values["loss"]["ce"]["class_weight"], class_weights(counts, "enet"), rtol=1e-12)


def test_a_run_keeps_what_was_used(root, train):
    words = ["task=segmentation", "data=folder_masks", f"data.root={root}", f"data.class_names=[{','.join(CLASSES)}]"]
    small = ["policy.epochs=1", "loader.batch_size=3", "model.width=4"]
    folder = train(*words, *small, *ASKED[:3])
    used = OmegaConf.load(folder.path / "config.yaml")
    counts = np.bincount(truth(root)[1].ravel(), minlength=256)[:3]
    assert (np.array(used.loss.ce.class_weight) @ counts) / counts.sum() == pytest.approx(1)
    np.testing.assert_allclose(used.augs.mean, truth(root)[0].mean(0), rtol=1e-12)
