"""What metrics of classes take, refuse and call their values."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from dltools.cfgutils import FieldError
from dltools.metrics.classification import (
    AUROC,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    CalibrationError,
    CohenKappa,
    ConfusionTable,
    F1Score,
    MatthewsCorrelation,
    Precision,
    TopKAccuracy,
)
from dltools.metrics.combine import MetricSet

ALL = [
    AUROC,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    CalibrationError,
    CohenKappa,
    ConfusionTable,
    F1Score,
    MatthewsCorrelation,
    Precision,
]
PER_CLASS = [metric for metric in ALL if metric not in (CalibrationError, ConfusionTable)]


@pytest.mark.parametrize("metric", [*ALL, TopKAccuracy])
def test_the_number_of_classes_is_needed(metric):
    with pytest.raises(FieldError, match="num_classes must be given"):
        metric()
    with pytest.raises(FieldError, match="num_classes must be at least 2, got 1"):
        metric(num_classes=1, **({"k": 1} if metric is TopKAccuracy else {}))


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("names", [None, ["cat"], ["background", "cat"]])
@pytest.mark.parametrize("count", [None, 1, 2])
def test_mode_binary_takes_what_two_classes_and_their_names_tell_it(metric, names, count):
    made = metric(mode="binary", num_classes=count, class_names=names)
    made.update(torch.tensor([0.5, -0.5, 1.5]), torch.tensor([1, 0, 0]))
    assert not isinstance(made.compute(), dict)
    if metric in PER_CLASS:
        told = metric(mode="binary", num_classes=count, class_names=names, per_class=True).compute()
        assert list(told) == [metric.name, f"{metric.name}/{'cat' if names else 1}"]


@pytest.mark.parametrize("metric", ALL)
def test_mode_binary_refuses_more_classes_than_two(metric):
    with pytest.raises(FieldError, match="num_classes must be 2, 1 or left out in mode binary, got 10"):
        metric(mode="binary", num_classes=10)
    with pytest.raises(FieldError, match="class_names must be 1 or 2 in mode binary, got 3"):
        metric(mode="binary", class_names=["a", "b", "c"])


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("mode", ["multiclass", "multilabel"])
def test_names_must_be_as_many_as_classes(metric, mode):
    with pytest.raises(FieldError, match="class_names must be num_classes = 3, got 2"):
        metric(mode=mode, num_classes=3, class_names=["a", "b"])


@pytest.mark.parametrize("metric", PER_CLASS)
def test_the_values_of_classes_have_their_names_and_an_ignored_class_has_none(metric):
    told = metric(num_classes=3, class_names=["a", "b", "c"], per_class=True, ignore_index=1).compute()
    assert list(told) == [metric.name, f"{metric.name}/a", f"{metric.name}/c"]
    told = metric(mode="multilabel", num_classes=3, per_class=True, ignore_index=1).compute()
    assert list(told) == [metric.name, *(f"{metric.name}/{label}" for label in range(3))]


REFUSED = {
    "threshold": (F1Score, {"num_classes": 3, "threshold": 0.7}, "in mode multiclass.*, got 0.7"),
    "from_logits": (Precision, {"num_classes": 3, "from_logits": False}, "in mode multiclass.*, got False"),
    "average": (F1Score, {"mode": "binary", "average": "micro"}, "in mode binary.*one label.*, got micro"),
    "average of accuracy": (Accuracy, {"mode": "binary", "average": "macro"}, "in mode binary.*, got macro"),
    "average of a rank": (AUROC, {"mode": "binary", "average": "weighted"}, "in mode binary.*, got weighted"),
    "from_logits of a rank": (AUROC, {"mode": "binary", "from_logits": False}, "only the order of the scores counts"),
    "weights": (CohenKappa, {"mode": "binary", "weights": "linear"}, "got linear"),
    "weights per class": (CohenKappa, {"num_classes": 3, "weights": "linear", "per_class": True}, "got linear"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_option_that_would_change_nothing_is_refused(case):
    metric, given, words = REFUSED[case]
    with pytest.raises(FieldError, match=f"{case.partition(' ')[0]} must be left out .*{words}"):
        metric(**given)


@pytest.mark.parametrize("k", [3, 4])
def test_as_many_guesses_as_classes_are_refused(k):
    with pytest.raises(FieldError, match=f"k must be less than num_classes = 3, got {k}"):
        TopKAccuracy(num_classes=3, k=k)


def test_top_k_is_of_classes_that_exclude_each_other():
    with pytest.raises(FieldError, match="mode must be multiclass, got multilabel"):
        TopKAccuracy(num_classes=9, mode="multilabel")


def test_metrics_of_one_reading_share_a_state():
    made = {metric.name: metric(num_classes=4, ignore_index=255) for metric in ALL}
    together = MetricSet(made | {"micro": F1Score(num_classes=4, ignore_index=255, average="micro")})
    together.update({"classes": (torch.randn(9, 4), torch.randint(0, 4, (9,)))})
    states = {type(metric.state).__name__ for metric in together.metrics.values()}
    assert states == {"ConfusionMatrix", "RankedScores", "ConfidenceBins"}
    assert len({metric.state for metric in together.metrics.values()}) == 3


def test_a_confusion_matrix_has_no_better():
    assert [metric.name for metric in ALL if not metric.higher_is_better] == ["calibration_error", "confusion_matrix"]
    assert ConfusionTable.higher_is_better is None


def test_importing_them_does_not_import_the_heavy_libraries():
    heavy = "('torchmetrics', 'scipy', 'sklearn')"
    code = f"import sys, dltools.metrics.classification; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
