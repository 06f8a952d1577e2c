"""What whole runs return, keep and tell of their objectives."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dltools.cfgutils import ConfigError
from dltools.policies import base, launch
from dltools.writers.jsonl import read_journal

SMALL = [
    "task=segmentation",
    "data.train_scenes=8",
    "data.val_scenes=4",
    "data.test_scenes=4",
    "loader.batch_size=4",
    "model.width=8",
    "policy.epochs=4",
    "~visualizer.predictions",
]
BOTH = ["objective=0.7*val/iou+0.3*val/dice", "objective.mode=max"]


@pytest.fixture
def returned(monkeypatch):
    """What the runs of a test returned, in their order."""
    values, run = [], launch.launch
    monkeypatch.setattr(launch, "launch", lambda config: values.append(run(config)))
    return values


def _validations(folder, name):
    return [record.metrics[name] for record in read_journal(folder.path / "metrics.jsonl") if name in record.metrics]


def _objective(folder):
    return folder.read_summary()["objective"]


def test_a_run_returns_the_best_validation_of_the_named_value_and_keeps_its_weights(train, returned):
    folder = train(*SMALL, "objective=val/loss")
    losses = _validations(folder, "val/loss")
    told = _objective(folder)
    assert returned == [min(losses)] and len(losses) == 4
    assert (told["name"], told["mode"], told["value"]) == ("val/loss", "min", min(losses))
    assert told["best_epoch"] == losses.index(min(losses)) + 1
    assert torch.load(folder.best, weights_only=True)["run"]["epoch"] == told["best_epoch"]
    assert not _validations(folder, "val/objective")


def test_an_expression_is_logged_and_chooses_the_best_epoch(train, returned):
    folder = train(*SMALL, *BOTH, "objective.reduce=last")
    values = _validations(folder, "val/objective")
    parts = zip(_validations(folder, "val/iou"), _validations(folder, "val/dice"), strict=True)
    assert values == [0.7 * iou + 0.3 * dice for iou, dice in parts]
    told = _objective(folder)
    assert returned == [values[-1]] and told["value"] == values[-1] and told["best"] == max(values)
    assert (told["name"], told["expr"]) == ("val/objective", "0.7*val/iou + 0.3*val/dice")
    test = folder.read_summary()["test"]
    assert test["test/objective"] == 0.7 * test["test/iou"] + 0.3 * test["test/dice"]


def test_several_objectives_are_returned_in_their_order(train, returned):
    more = "+objective.more={loss: val/loss, ratio: {expr: 'val/iou / val/loss', mode: max, reduce: mean, window: 2}}"
    folder = train(*SMALL, more)
    iou, loss, ratio = (_validations(folder, f"val/{name}") for name in ("iou", "loss", "objective/ratio"))
    assert returned == [(max(iou), min(loss), sum(ratio[-2:]) / 2)]
    told = folder.read_summary()["more_objectives"]
    assert {name: one["value"] for name, one in told.items()} == {"loss": min(loss), "ratio": sum(ratio[-2:]) / 2}
    assert told["loss"]["best_epoch"] == loss.index(min(loss)) + 1
    assert "and  val/loss = " in launch.closing_words(folder, None)


@pytest.mark.parametrize("reduce", ["mean", "best"])
def test_a_resumed_run_counts_the_validations_before_it(reduce, train, returned, monkeypatch):
    words = [*SMALL, *BOTH, f"objective.reduce={reduce}"]
    whole = train(*words, name="whole")
    save = base.save_run

    def save_and_stop(job, state, *args, **kwargs):
        save(job, state, *args, **kwargs)
        if state.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(base, "save_run", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(*words, name="cut")
    resumed = train(*words, "resume=auto", name="cut")
    assert returned[0] == returned[1]
    assert _objective(resumed) == _objective(whole) and _objective(whole)["validations"] == 4
    values = _validations(whole, "val/objective")
    assert returned[0] == pytest.approx(sum(values[-3:]) / 3 if reduce == "mean" else max(values))


def test_a_run_that_goes_on_with_another_objective_does_not_compare_it_with_the_old_one(train, returned):
    first = train(*SMALL, "objective=val/loss", "policy.epochs=2", name="first")
    second = train(*SMALL, "objective=val/iou", f"resume={first.path}", name="second")
    told = _objective(second)
    assert told["validations"] == 2 and told["best_epoch"] in (3, 4)
    assert returned[1] == max(_validations(second, "val/iou"))


def test_an_objective_that_is_never_defined_is_nan_and_the_run_ends_well(train, returned):
    folder = train(*SMALL, "objective='log(-1 - val/iou)'", "objective.mode=max", "policy.epochs=2")
    told = _objective(folder)
    assert math.isnan(returned[0]) and told["value"] is None and told["best_epoch"] is None
    assert folder.read_summary()["status"] == "finished" and folder.read_summary()["best"] == {}
    assert folder.weights.is_file() and not folder.best.exists()
    assert "= none" in launch.closing_words(folder, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["objective=val/ioo"], ["objective=val/ioo", "Did you mean 'val/iou'", "A validation logs val/loss"]),
        (["objective=val/loss_weighted/ce", "loss=ce"], ["Did you mean 'val/loss/ce'"]),
        (["objective=val/iou/0"], ["val/iou / 0"]),
        (["objective=val/iou+val/dice"], ["objective.mode=max or objective.mode=min"]),
        (["+objective.more.x=val/los"], ["objective.more.x=val/los", "Did you mean 'val/loss'"]),
        (["objective.expr='val/iou +'"], ["objective.expr cannot be read", "at character 10"]),
        (["+objective.more.x.exp=val/loss"], ["objective.more.x.exp is no field. Did you mean 'expr'"]),
    ],
)
def test_a_wrong_objective_is_told_before_any_sample_is_read(words, told, train, monkeypatch):
    monkeypatch.setattr(base.Policy, "_make_loader", lambda self, stage: pytest.fail("samples were read"))
    with pytest.raises(ConfigError) as caught:
        train(*SMALL, *words)
    assert all(word in str(caught.value) for word in told), str(caught.value)


def test_the_value_of_a_class_is_an_objective_too(train, returned):
    folder = train(*SMALL, "metric.iou.per_class=true", "objective=val/iou/background", "policy.epochs=1")
    assert returned == _validations(folder, "val/iou/background") and _objective(folder)["mode"] == "max"


OWN = """\
import torch
import torchmetrics
from dltools.cfgutils import component

@component("metric", "late")
class Late(torchmetrics.Metric):
    \"\"\"Tells its names only when it has seen a batch.\"\"\"
    higher_is_better = False
    def __init__(self) -> None:
        super().__init__()
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")
    def update(self, preds, target):
        self.count += len(target)
    def compute(self):
        if self.count == 0:
            raise ValueError("nothing was added")
        return {"late/some": self.count, "late/more": self.count + 1}
"""


@pytest.mark.parametrize(("name", "is_there"), [("some", True), ("sume", False)])
def test_a_name_that_cannot_be_known_before_is_checked_at_the_first_validation(
    name, is_there, train, returned, tmp_path, monkeypatch
):
    from dltools.cfgutils.imports import add_imports

    (tmp_path / "late_metric.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    add_imports(["late_metric"])
    words = [*SMALL, "imports=[late_metric]", "metric=iou+late", f"objective=val/late/{name}", "policy.epochs=1"]
    if is_there:
        folder = train(*words)
        assert returned == [4.0] and _objective(folder)["mode"] == "min"
    else:
        with pytest.raises(ConfigError, match=r"objective=val/late/sume: .* Did you mean 'val/late/some'"):
            train(*words)


def test_a_sweep_over_objectives_gives_each_run_its_own(tmp_path):
    words = [*SMALL, "policy.epochs=1", "writer=csv", "hydra.sweep.dir=sweep", "-m", "objective=val/dice,val/loss"]
    done = subprocess.run(
        [sys.executable, "-m", "dltools.train", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / f"sweep/{job}/summary.json").read_text())["objective"] for job in range(2)]
    assert [(one["expr"], one["mode"]) for one in told] == [("val/dice", "max"), ("val/loss", "min")]


def test_a_preset_may_choose_the_objective_and_the_command_line_another(tmp_path):
    from omegaconf import OmegaConf

    from dltools.cfgutils.search_path import compose

    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /task: segmentation\n"
        "  - override /objective: 0.5*val/iou + 0.5*val/dice\nobjective: {mode: max}\n"
    )
    words = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    assert compose(words).objective.expr == "0.5*val/iou + 0.5*val/dice"
    assert compose([*words, "objective=val/loss"]).objective.expr == "val/loss"
    assert OmegaConf.to_container(compose(words).objective)["mode"].value == "max"
