"""Distance maps that the data pipeline makes, and losses that read them."""

from __future__ import annotations

import csv
import math
import pickle
from types import SimpleNamespace

import albumentations as A
import pytest
import torch

from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import ConfigError
from dltools.data.digit_scenes import DigitScenes
from dltools.data.folder_masks import FolderMasks
from dltools.data.samplers import Shuffle
from dltools.data.samplers.classes import classes_of
from dltools.loaders import TorchLoader
from dltools.losses import HausdorffLoss, LossSum, SurfaceLoss
from dltools.losses.segmentation.utils import signed_distances
from dltools.policies.segmentation import SegmentationPolicy


def batches(data, workers=0, stage="train", epoch=0):
    """Batches of a segmentation task, and its policy."""
    policy = SegmentationPolicy()
    policy.loaders = {}
    policy.job = SimpleNamespace(
        data=data,
        loss=LossSum({"surface": SurfaceLoss()}),
        augs=Augmentations(train={"flip": A.HorizontalFlip(p=0.5), "turn": A.RandomRotate90()}),
        sampler=Shuffle(),
        classes_of=classes_of,
        config={},
        loader=TorchLoader(batch_size=4, num_workers=workers),
        data_seed=0,
    )
    loader = policy._loader(stage)
    loader.sampler.epoch = epoch
    return policy, list(loader)


def scenes(**options):
    return DigitScenes(train_scenes=8, val_scenes=4, test_scenes=4, **options)


@pytest.mark.parametrize("stage", ["train", "val"])
def test_maps_are_those_of_the_augmented_masks(stage):
    _, loaded = batches(scenes(distance_maps=True), stage=stage, epoch=1)
    for batch in loaded:
        assert batch["distance_maps"].dtype == torch.float16
        for mask, maps in zip(batch["mask"], batch["distance_maps"], strict=True):
            expected = torch.from_numpy(signed_distances(mask.numpy(), 11))
            torch.testing.assert_close(maps.float(), expected, rtol=1e-3, atol=1e-3)


def test_maps_change_nothing_else_of_a_batch_nor_the_fingerprint():
    (_, without), (_, with_maps) = batches(scenes()), batches(scenes(distance_maps=True))
    for one, other in zip(without, with_maps, strict=True):
        assert set(other) == {*one, "distance_maps"}
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["mask"], other["mask"])
    assert scenes().fingerprint == scenes(distance_maps=True).fingerprint


def test_losses_of_given_maps_are_those_of_maps_made_on_the_fly_to_half_precision():
    policy, (batch, _) = batches(scenes(distance_maps=True))
    output = torch.randn(4, 11, 64, 64)
    for loss in (SurfaceLoss(ignore_index=255), HausdorffLoss(ignore_index=255)):
        losses = LossSum({"one": loss})
        given, _ = losses(policy.losses(output, batch))
        here, _ = losses({"classes": (output, batch["mask"])})
        torch.testing.assert_close(given, here, rtol=1e-3, atol=1e-3)


def test_workers_make_the_same_maps():
    (_, one), (_, other) = batches(scenes(distance_maps=True)), batches(scenes(distance_maps=True), workers=1)
    assert torch.equal(one[1]["distance_maps"], other[1]["distance_maps"])


def test_samples_with_maps_can_be_pickled():
    policy, _ = batches(scenes(distance_maps=True))
    dataset = policy._loader("train").dataset
    twin = pickle.loads(pickle.dumps(dataset))
    assert len(twin) == len(dataset) == 8
    assert torch.equal(twin[1, 3]["distance_maps"], dataset[1, 3]["distance_maps"])


def test_folders_of_masks_can_have_maps(mask_folder):
    data = FolderMasks(root=str(mask_folder), class_names=["dark", "bright"], distance_maps=True)
    _, (batch,) = batches(data)
    assert batch["distance_maps"].shape == (4, 2, 64, 64)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task=segmentation", "loss=ce+boundary"], r"maps that none of loss=boundary\+ce reads; leave it out"),
        (["task=keypoints"], "data.distance_maps=true is for the segmentation policy"),
    ],
)
def test_maps_that_nothing_reads_are_refused(train, words, message):
    with pytest.raises(ConfigError, match=message):
        train(*words, "data.distance_maps=true")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weight", "maps"),
    [
        ("surface", 0.01, False),
        ("surface", 0.01, True),
        ("surface2edge", 0.05, False),
        ("hausdorff", 0.001, False),
        ("hausdorff", 0.001, True),
        ("boundary", 0.5, False),
    ],
)
def test_a_segmentation_model_learns_with_a_region_term_and_a_ramp(train, name, weight, maps):
    ramp = [f"loss.{name}.ramp.{word}" for word in ("shape=linear", "start=0.01", "end=30%")]
    shortened = ["policy.epochs=1", "policy.limit_train=180", "policy.limit_val=1", "policy.limit_test=1"]
    words = [f"loss=dice+{weight}*{name}", f"data.distance_maps={str(maps).lower()}", "policy.log_every=20st"]
    folder = train("task=segmentation", *words, *ramp, *shortened)
    with (folder.path / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    totals = [float(row["train/loss"]) for row in rows]
    assert len(totals) == 9
    assert all(math.isfinite(total) for total in totals)
    assert totals[-1] < totals[3]  # from where the ramp is over
    assert float(rows[-1]["train/loss/dice"]) < float(rows[0]["train/loss/dice"])
