"""Samplers at work, by the words of a command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dltools.cfgutils import ConfigError
from dltools.data.digits import Digits
from dltools.policies import base
from dltools.policies.classification import ClassificationPolicy

SHORT = ("policy.epochs=1", "policy.limit_val=1", "policy.test=false", "~visualizer.predictions")
SCENES = ("data.train_scenes=40", "data.val_scenes=2", "data.test_scenes=2", "loader.batch_size=4")


@pytest.fixture
def imbalanced(tmp_path):
    """The words that choose 128 training digits, of which 100 are zeros and ones."""
    labels = np.array(Digits().split("train").column("label"))
    places = [np.flatnonzero(labels == label)[: 50 if label < 2 else 4 if label < 9 else 0] for label in range(10)]
    path = tmp_path / "indices.json"
    path.write_text(json.dumps({"train": np.concatenate(places).tolist()}))
    return "task=classification", "data=subset", "+data@data.source=digits", f"data.indices={path}"


@pytest.fixture
def seen(monkeypatch):
    """The labels that a classifier is trained on, in their order."""
    labels = []
    losses = ClassificationPolicy.losses

    def spy(self, output, batch):
        if self.job.model.training:
            labels.extend(batch["label"].tolist())
        return losses(self, output, batch)

    monkeypatch.setattr(ClassificationPolicy, "losses", spy)
    return labels


def test_a_classifier_sees_all_classes_that_there_are_equally_often(train, imbalanced, seen):
    train(*imbalanced, *SHORT, "sampler=class_balanced", "loader.batch_size=16")
    counts = np.bincount(seen, minlength=10)
    assert len(seen) == 128 and counts[9] == 0 and np.ptp(counts[:9]) <= 1


def test_weights_of_a_file_and_a_length_of_the_epoch(train, imbalanced, seen, tmp_path):
    path = tmp_path / "weights.txt"
    path.write_text("0\n" * 100 + "1\n" * 28)
    train(*imbalanced, *SHORT, "sampler=weighted", f"sampler.file={path}", "sampler.num_samples=56")
    counts = np.bincount(seen, minlength=10)
    assert counts[:2].sum() == 0 and len(seen) == 32  # one whole batch


def test_overfitting_draws_of_the_few_samples_it_has(train, imbalanced, seen):
    words = ("sampler=class_balanced", "policy.overfit=true", "policy.limit_train=2", "loader.batch_size=32")
    train(*imbalanced, *SHORT, *words)
    assert sorted(np.bincount(seen)) == [32, 32]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "detection", "keypoints"])
@pytest.mark.parametrize("sampler", ["class_balanced", "repeat_factor"])
def test_other_tasks_train_on_balanced_samples_too(train, task, sampler):
    folder = train(f"task={task}", *SCENES, *SHORT, f"sampler={sampler}", "policy.limit_train=2")
    assert json.loads((folder.path / "summary.json").read_text())["status"] == "finished"


def test_a_rule_that_does_not_fit_the_data_says_so_under_its_key(train, imbalanced):
    with pytest.raises(ConfigError, match=r"sampler.column=weight: there is no such column"):
        train(*imbalanced, *SHORT, "sampler=weighted", "sampler.column=weight")


def test_ranks_share_one_balanced_epoch(train, imbalanced, seen, monkeypatch):
    monkeypatch.setattr(base, "world_size", lambda: 2)
    for number in range(2):
        monkeypatch.setattr(base, "rank", lambda number=number: number)
        train(*imbalanced, *SHORT, "sampler=class_balanced", "loader.batch_size=16", name=f"rank{number}")
        assert len(seen) == 64 * (number + 1)
    assert np.ptp(np.bincount(seen)) <= 1
