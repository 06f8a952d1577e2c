"""F1 of detections against counts made of what pycocotools matched, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.metrics import MetricSet
from dltools.metrics.detection import DetectionF1, MeanAveragePrecision

CURVE = np.arange(101) / 100


def evaluated(preds, target, **fields):
    metric = DetectionF1(num_classes=4, **fields)
    metric.update(preds, target)
    return metric.compute()


def matched(coco, preds, target, kind, iou, limit):
    """(class, score, hit) of each detection that counts, and the number of true objects of each class."""
    judged = coco.evaluation(preds, target, kind, ious=[iou], areas=[[0, 1e10]], limits=[limit])
    detections, true = [], np.zeros(coco.classes)
    for image in filter(None, judged.evalImgs):
        true[image["category_id"]] += (np.asarray(image["gtIgnore"]) == 0).sum()
        counted = zip(image["dtScores"], image["dtMatches"][0] > 0, image["dtIgnore"][0], strict=True)
        detections += [(image["category_id"], score, hit) for score, hit, ignored in counted if not ignored]
    return np.array(detections).reshape(-1, 3), true


def scores_at(confidence, detections, true, average):
    """Precision, recall and F1, formula by formula."""
    label, score, hit = detections.T
    counts = []
    for c in range(len(true)):
        here = (label == c) & (score >= confidence)
        counts.append((hit[here].sum(), here.sum(), true[c]))
    if average == "micro":
        counts = [tuple(sum(column) for column in zip(*counts, strict=True))]
    values = [
        (tp / found if found else math.nan, tp / held if held else math.nan, 2 * tp / (found + held))
        for tp, found, held in counts
        if found + held
    ]
    weights = [held for _, found, held in counts if found + held]
    return [mean([row[i] for row in values], weights if average == "weighted" else None) for i in range(3)]


def mean(values, weights):
    weights = [1] * len(values) if weights is None else weights
    kept = [(v, w) for v, w in zip(values, weights, strict=True) if not math.isnan(v)]
    whole = sum(w for _, w in kept)
    return sum(v * w for v, w in kept) / whole if whole else math.nan


@pytest.mark.parametrize("kind", ["boxes", "masks", "keypoints"])
@settings(max_examples=40)
@given(
    seed=st.integers(0, 100_000),
    extras=st.booleans(),
    average=st.sampled_from(["micro", "macro", "weighted"]),
    iou=st.sampled_from([0.3, 0.5, 0.75]),
    limit=st.sampled_from([1, 100]),
)
def test_every_value_is_a_ratio_of_what_pycocotools_matched(coco, kind, seed, extras, average, iou, limit):
    preds, target = coco.scene(seed, kind, extras=extras)
    found = evaluated(preds, target, iou_type=kind, average=average, iou=iou, max_detections=limit)
    detections, true = matched(coco, preds, target, kind, iou, limit)
    curve = found["detection_f1_curve"].numpy()
    expected = np.array([scores_at(confidence, detections, true, average) for confidence in CURVE])
    assert curve == pytest.approx(np.column_stack((CURVE, expected)), abs=1e-12, nan_ok=True)
    tried = {score: scores_at(score, detections, true, average) for score in set(detections[:, 1])}
    best = np.nanmax([values[2] for values in tried.values()] + ([-1.0] if tried else [0.0]))
    if best >= 0:
        assert found["detection_f1"].item() == pytest.approx(best, abs=1e-12)
    if tried:
        confidence = found["detection_f1_confidence"].item()
        told = [found[f"detection_f1{key}"].item() for key in ("_precision", "_recall", "")]
        assert told == pytest.approx(tried[confidence], abs=1e-12, nan_ok=True)
        assert not any(score > confidence and values[2] > best - 1e-13 for score, values in tried.items())


ONE = {"boxes": torch.tensor([[10.0, 10, 30, 30]]), "scores": torch.tensor([0.6]), "labels": torch.tensor([1])}
EMPTY = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}


def numbers(*args, **fields):
    found = evaluated(*args, **fields)
    return [found[f"detection_f1{key}"].item() for key in ("", "_precision", "_recall", "_confidence")]


def test_19_precision_is_not_interpolated():
    """A false detection above a true one: precision is 0 at first, where an interpolated curve says 0.5."""
    wrong = torch.tensor([[100.0, 100, 130, 130]])
    both = ONE | {"boxes": torch.cat([wrong, ONE["boxes"]]), "scores": torch.tensor([0.9, 0.6])}
    both["labels"] = torch.tensor([1, 1])
    found = evaluated([both], [ONE])
    assert found["detection_f1_curve"][75].tolist() == pytest.approx([0.75, 0, 0, 0])
    assert found["detection_f1_curve"][50].tolist() == pytest.approx([0.5, 0.5, 1, 2 / 3])


class TestWhatIsUndefined:
    def test_nothing_at_all(self):
        assert all(math.isnan(value) for value in numbers([], []))
        assert evaluated([], [])["detection_f1_curve"].shape == (101, 4)
        assert DetectionF1().compute()["detection_f1"].isnan()

    def test_objects_that_are_all_missed_count_zero(self):
        assert numbers([EMPTY], [ONE]) == pytest.approx([0, math.nan, 0, math.nan], nan_ok=True)

    def test_detections_of_nothing_count_zero(self):
        assert numbers([ONE], [EMPTY]) == pytest.approx([0, 0, math.nan, 0.6], nan_ok=True)

    def test_a_class_that_is_only_detected_lowers_the_mean(self):
        other = {key: torch.cat([value, value]) for key, value in ONE.items()} | {"labels": torch.tensor([1, 3])}
        assert numbers([other], [ONE])[0] == pytest.approx(0.5)

    def test_a_class_that_never_occurs_has_no_value(self):
        found = evaluated([ONE], [ONE], per_class=True, class_names=["car", "cat", "cow", "cup"])
        assert found["detection_f1/cat"] == 1
        assert found["detection_f1/cow"].isnan()


def test_the_confidence_leaves_false_detections_out():
    low = ONE | {"boxes": ONE["boxes"] + 100, "scores": torch.tensor([0.3])}
    assert numbers([ONE, low], [ONE, EMPTY]) == pytest.approx([1, 1, 1, 0.6])


def test_it_reads_the_boxes_that_the_average_precision_reads():
    together = MetricSet({"map": MeanAveragePrecision(num_classes=4), "f1": DetectionF1(num_classes=4)})
    assert together.metrics["map"].state is together.metrics["f1"].state
    together.update({"boxes": ([ONE], [ONE])})
    results = together.compute()
    assert results.scalars["f1"] == results.scalars["f1_recall"] == 1
    assert results.tables["f1_curve"].values.shape == (101, 4)


def test_an_overlap_of_nothing_is_refused():
    with pytest.raises(FieldError, match=r"iou must be greater than 0, got 0"):
        DetectionF1(iou=0.0)


def test_many_objects_of_one_class_are_compared_in_parts(monkeypatch, coco):
    preds, target = coco.scene(5, images=8)
    whole = evaluated(preds, target)
    monkeypatch.setattr("dltools.metrics.detection.matching._PAIRS", 3)
    parts = evaluated(preds, target)
    assert all(torch.equal(parts[key], value) for key, value in whole.items())
