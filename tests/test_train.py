"""Whole runs: the same twice, continued, refused, and told of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dltools.policies import base
from dltools.writers.jsonl import read_journal

ROOT = Path(__file__).parents[1]
SMALL = [
    "task=segmentation",
    "data.train_scenes=16",
    "data.val_scenes=4",
    "data.test_scenes=4",
    "loader.batch_size=4",
    "model.width=8",
    "policy.epochs=3",
    "policy.log_every=2st",
    "~visualizer.predictions",
]


def _metrics(folder):
    return [(record.step, record.metrics) for record in read_journal(folder.path / "metrics.jsonl")]


def _weights(folder):
    return torch.load(folder.weights, weights_only=True)


@pytest.fixture
def reference(train):
    """A run that nothing disturbed."""
    return train(*SMALL, name="reference")


@pytest.mark.parametrize("change", [[], ["loader.num_workers=2"]])
def test_the_same_command_gives_the_same_numbers_whatever_the_number_of_workers(change, train, reference):
    again = train(*SMALL, *change, name="again")
    assert _metrics(again) == _metrics(reference)
    assert all(torch.equal(_weights(again)[name], value) for name, value in _weights(reference).items())


def test_another_seed_gives_other_numbers(train, reference):
    assert _metrics(train(*SMALL, "seed=1", name="other")) != _metrics(reference)


def test_a_run_cut_short_goes_on_to_the_same_end(train, reference, monkeypatch):
    save = base.save_run

    def save_and_stop(job, state, *args, **kwargs):
        save(job, state, *args, **kwargs)
        if state.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(base, "save_run", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(*SMALL, name="cut")
    monkeypatch.undo()
    cut = Path(reference.path.parent / "cut")
    assert json.loads((cut / "summary.json").read_text())["status"] == "killed"
    resumed = train(*SMALL, "resume=auto", name="cut")
    assert _metrics(resumed) == _metrics(reference)
    assert all(torch.equal(_weights(resumed)[name], value) for name, value in _weights(reference).items())
    assert resumed.read_summary()["test"] == reference.read_summary()["test"]


def test_a_run_folder_tells_the_whole_story(reference):
    summary = reference.read_summary()
    assert summary["status"] == "finished" and summary["epochs"] == 3 and summary["steps"] == 12
    assert summary["objective"]["name"] == "val/iou" and 0 <= summary["objective"]["value"] <= 1
    told = {"test/loss", "test/iou", "test/dice"}
    told |= {f"test/{name}/{term}" for name in ("loss", "loss_weighted") for term in ("ce", "dice")}
    assert told == set(summary["test"])
    names = {file.name for file in reference.path.iterdir()}
    assert {"config.yaml", "overrides.txt", "metrics.jsonl", "metrics.csv", "summary.json", "weights.pt"} <= names
    assert [step for step, _ in _metrics(reference)] == [2, 4, 6, 8, 10, 12, 12]


def test_overfitting_three_batches_brings_the_loss_down(train):
    folder = train(*SMALL, "debug=overfit", "policy.epochs=30", "policy.val_every=1", "optim.lr=3e-3")
    losses = [metrics["val/loss"] for _, metrics in _metrics(folder) if "val/loss" in metrics]
    assert losses[-1] < 0.6 * losses[0]


def test_the_command_line_wins_over_the_experiment_and_the_experiment_over_the_task(train):
    folder = train("experiment=scenes_focal", "loss=dice", *SMALL[1:])
    config = (folder.path / "config.yaml").read_text()
    assert "name: scenes_focal" in config and "DiceLoss" in config and "FocalLoss" not in config


OWN = '''
import torch
from dltools.cfgutils import component
from dltools.module import ConfigModule

@component("model", "flat")
class Flat(ConfigModule):
    """Gives one number an image, which fits no task."""
    def __post_init__(self):
        self.scale = torch.nn.Parameter(torch.ones(1))
    def forward(self, images):
        return images.mean((1, 2, 3)) * self.scale
'''


def _broken_image(folder):
    (folder / "train" / "images" / "1.png").write_bytes(b"no image")


def _wrong_size(folder):
    import cv2

    file = str(folder / "train" / "masks" / "2.png")
    cv2.imwrite(file, cv2.imread(file, cv2.IMREAD_UNCHANGED)[:32])


def _stray_class(folder):
    import cv2

    file = str(folder / "val" / "masks" / "3.png")
    mask = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    mask[0, 0] = 7
    cv2.imwrite(file, mask)


def _no_images(folder):
    for file in (folder / "train" / "images").iterdir():
        file.unlink()


MASKS = ["task=segmentation", "data=folder_masks", "data.root={masks}", "data.class_names=[background,bright]"]


@pytest.mark.parametrize(
    ("words", "spoil", "told"),
    [
        (["task=segmentatoin"], None, ["task=segmentatoin", "Did you mean 'segmentation'"]),
        (["loss.dice.smoth=1"], None, ["loss.dice.smoth", "Did you mean 'smooth'"]),
        (["policy.epochs=-1"], None, ["policy.epochs must be at least 1, got -1"]),
        (["policy.epochs=ten"], None, ["policy.epochs=ten", "Integer"]),
        (["loss=dice+dice"], None, ["named twice"]),
        (["model=own"], None, ["model._target_ is missing"]),
        (["model=own", "model._target_=os.system"], None, ["os.system", "imports=[os]"]),
        (["+unheard_of=3"], None, ["unheard_of is set and nothing consumes it"]),
        (["imports=[flat]", "model=flat"], None, ["(8, 11, 64, 64)", "got (8)"]),
        (["task=classification", "data=idx", "data.root=/nowhere"], None, ["data.root", "/nowhere"]),
        (["task=classification", "data=idx"], None, ["data.root"]),
        (["task=segmentation", "loss=giou"], None, ["loss.giou", "classes"]),
        (["device=cuda:77"], None, ["device=cuda:77"]),
        (["objective=val/ioo"], None, ["objective=val/ioo", "Did you mean 'val/iou'", "A validation logs val/loss"]),
        (["resume=/nowhere"], None, ["resume=/nowhere"]),
        (MASKS, _no_images, ["train/images"]),
        (MASKS, _broken_image, ["train/images/1.png"]),
        ([*MASKS, "loader.num_workers=1"], _broken_image, ["train/images/1.png"]),
        (MASKS, _wrong_size, ["train/masks/2.png", "32"]),
        (MASKS, _stray_class, ["val/masks/3.png", "7"]),
    ],
)
def test_bad_input_ends_with_one_paragraph_and_leaves_nothing_that_looks_finished(
    words, spoil, told, tmp_path, mask_folder
):
    (tmp_path / "flat.py").write_text(OWN)
    if spoil:
        spoil(mask_folder)
    words = [word.format(masks=mask_folder) for word in words]
    limits = ["debug=fdr", "hydra.run.dir=run"]
    limits += ["loader.batch_size=4"] if spoil else []
    done = subprocess.run(
        [sys.executable, "-m", "dltools.train", *words, *limits],
        cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    error = done.stderr[done.stderr.index("Error: ") :]
    assert all(part in error for part in told), error
    assert "Error executing job" not in done.stderr
    assert "Traceback" not in done.stderr and len(error.strip().splitlines()) <= 3
    summary = tmp_path / "run" / "summary.json"
    assert not summary.exists() or json.loads(summary.read_text())["status"] == "failed"


def test_a_traceback_is_shown_when_asked_for(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dltools.train", "task=none"],
        cwd=tmp_path, env={**_environment(), "HYDRA_FULL_ERROR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_folder_with_a_run_of_another_config_is_left_alone(train, reference):
    before = {file: file.read_bytes() for file in reference.path.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match=r"another config: seed: 0 -> 5"):
        train(*SMALL, "seed=5", name="reference")
    with pytest.raises(ValueError, match="already holds this very run"):
        train(*SMALL, name="reference")
    assert {file: file.read_bytes() for file in reference.path.rglob("*") if file.is_file()} == before


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
