"""Mean average precision against pycocotools, on random data sets and in the cases that COCO leaves undefined."""

from __future__ import annotations

import contextlib
import copy
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dltools.cfgutils import DataError, FieldError
from dltools.metrics import MeanAveragePrecision

AREAS = ("small", "medium", "large")
RECALLS = (1, 10, 100, *AREAS)
KEYS = ["map", *(f"map_{key}" for key in (50, 75, *AREAS)), *(f"mar_{key}" for key in RECALLS)]
CLASSES = 4


def data_set(seed, images=6, crowds=False):
    """Boxes of all sizes in float32, some images and classes empty, scores with ties."""
    rng = np.random.default_rng(seed)
    preds, target = [], []
    for _ in range(images):
        count = rng.integers(0, 6)
        low = rng.random((count, 2)) * 100
        boxes = np.hstack((low, low + np.exp(rng.uniform(1, 5.5, (count, 2)))))
        labels = rng.integers(0, CLASSES - 1, count)
        copies = rng.integers(0, 4, count)
        noisy = np.repeat(boxes, copies, axis=0) + rng.normal(0, 4, (copies.sum(), 4))
        wrong = rng.random((rng.integers(0, 4), 4)) * 50
        wrong[:, 2:] += wrong[:, :2]
        found = np.vstack((noisy, wrong))
        guesses = np.concatenate((np.repeat(labels, copies), rng.integers(0, CLASSES, len(wrong))))
        found[:, 2:] = np.maximum(found[:, :2], found[:, 2:])
        image = {"boxes": boxes, "labels": labels}
        if crowds:
            image |= {"iscrowd": rng.integers(0, 2, count), "area": rng.uniform(1, 200, count) ** 2}
        target.append(image)
        preds.append({"boxes": found, "scores": rng.random(len(found)).round(1), "labels": guesses})
    return [[tensors(image) for image in part] for part in (preds, target)]


def tensors(image):
    return {
        key: torch.from_numpy(value).to(torch.float32 if value.dtype.kind == "f" else torch.int64)
        for key, value in image.items()
    }


def annotations(images):
    """The rows of a COCO file, made in float64."""
    rows = []
    for index, image in enumerate(images):
        boxes = image["boxes"].double().numpy()
        for i, (x1, y1, x2, y2) in enumerate(boxes):
            row = {"id": len(rows) + 1, "image_id": index, "category_id": int(image["labels"][i])}
            row |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            row |= {key: float(image[key][i]) for key in ("area",) if key in image}
            row |= {"iscrowd": int(image["iscrowd"][i])} if "iscrowd" in image else {}
            row |= {"score": float(image["scores"][i].double())} if "scores" in image else {}
            rows.append(row)
    return rows


def by_pycocotools(preds, target):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": index} for index in range(len(target))],
            "categories": [{"id": label} for label in range(CLASSES)],
            "annotations": annotations(target),
        }
        truth.createIndex()
        found = COCO()
        found.dataset = truth.dataset | {"annotations": annotations(preds)}
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    values = dict(zip(KEYS, evaluation.stats, strict=True))
    for label in range(CLASSES):
        defined = precision[:, :, label][precision[:, :, label] > -1]
        values[f"map/{label}"] = defined.mean() if defined.size else -1
    return {key: math.nan if value == -1 else value for key, value in values.items()}


def evaluated(preds, target, **fields):
    metric = MeanAveragePrecision(num_classes=CLASSES, **fields)
    metric.update(preds, target)
    return {key: value.item() for key, value in metric.compute().items()}


@settings(max_examples=60)
@given(seed=st.integers(0, 100_000), crowds=st.booleans())
def test_all_values_are_those_of_pycocotools(seed, crowds):
    preds, target = data_set(seed, crowds=crowds)
    expected = by_pycocotools(preds, target)
    found = evaluated(preds, target, per_class=True)
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-12, nan_ok=True), key


@given(seed=st.integers(0, 1000), cut=st.integers(1, 5))
def test_the_split_into_batches_does_not_matter(seed, cut):
    preds, target = data_set(seed)
    metric = MeanAveragePrecision(num_classes=CLASSES)
    metric.update(preds[:cut], target[:cut])
    metric.update(preds[cut:], target[cut:])
    found = {key: value.item() for key, value in copy.deepcopy(metric).compute().items()}
    assert found == pytest.approx(evaluated(preds, target), nan_ok=True, abs=0)


def test_without_the_number_of_classes_those_that_occur_are_taken():
    preds, target = data_set(3)
    metric = MeanAveragePrecision()
    metric.update(preds, target)
    found = {key: value.item() for key, value in metric.compute().items()}
    assert found == pytest.approx(evaluated(preds, target), nan_ok=True, abs=0)


EMPTY = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}
ONE = {"boxes": torch.tensor([[10.0, 10, 30, 30]]), "scores": torch.ones(1), "labels": torch.tensor([1])}


class TestWhatCocoLeavesUndefined:
    def test_nothing_at_all_is_undefined(self):
        assert all(math.isnan(value) for value in evaluated([], []).values())
        assert all(value.isnan() for value in MeanAveragePrecision().compute().values())

    def test_only_false_detections_are_undefined(self):
        assert all(math.isnan(value) for value in evaluated([ONE], [EMPTY]).values())

    def test_true_boxes_without_detections_count_zero(self):
        found = evaluated([EMPTY], [ONE])
        assert found["map"] == found["map_small"] == found["mar_100"] == 0
        assert math.isnan(found["map_large"])

    def test_a_false_detection_of_a_class_without_true_boxes_costs_nothing(self):
        other = {key: torch.cat([value, value]) for key, value in ONE.items()} | {"labels": torch.tensor([1, 3])}
        assert evaluated([other], [ONE])["map"] == pytest.approx(1)

    def test_a_false_detection_in_an_image_without_the_class_counts(self):
        high, low = ONE, ONE | {"scores": torch.tensor([0.5])}
        assert evaluated([low, high], [ONE, EMPTY])["map"] == pytest.approx(0.5)

    def test_another_limit_of_detections_has_a_value(self):
        found = evaluated([ONE], [ONE], max_detections=5)
        assert found["map"] == pytest.approx(1)
        assert [key for key in found if key.startswith("mar_") and key[4:].isdigit()] == ["mar_1", "mar_5"]


def test_a_reset_forgets_everything():
    metric = MeanAveragePrecision()
    metric.update([ONE], [ONE])
    metric.reset()
    assert metric.compute()["map"].isnan()


def test_boxes_of_half_precision_and_of_an_empty_list_are_taken():
    half = ONE | {"boxes": ONE["boxes"].half(), "scores": ONE["scores"].half()}
    bare = EMPTY | {"boxes": torch.tensor([])}
    assert evaluated([half, bare], [ONE, bare])["map"] == pytest.approx(1)


def test_swapped_corners_match_nothing():
    swapped = ONE | {"boxes": ONE["boxes"][:, [2, 3, 0, 1]]}
    assert evaluated([swapped], [ONE])["map"] == 0


def test_classes_can_be_named():
    names = ["car", "cat", "cow", "cup"]
    found = evaluated([ONE], [ONE], per_class=True, class_names=names)
    assert found["map/cat"] == pytest.approx(1)
    assert math.isnan(found["map/cow"])
    with pytest.raises(FieldError, match="class_names must be num_classes = 4, got 1"):
        MeanAveragePrecision(num_classes=4, class_names=["car"])


@pytest.mark.parametrize(
    ("preds", "target", "message"),
    [
        ([ONE], [], "preds and target must be of the same images, got 1 and 0"),
        ([ONE | {"boxes": torch.rand(1, 5)}], [ONE], r"boxes must be \(n, 4\), got \(1, 5\) in preds of image 0"),
        ([ONE | {"scores": torch.rand(2)}], [ONE], r"scores must be \(1,\) .* got \(2,\) in preds of image 0"),
        ([ONE], [{"boxes": ONE["boxes"]}], "labels is missing"),
    ],
)
def test_what_does_not_fit_is_refused(preds, target, message):
    with pytest.raises(ValueError, match=message):
        MeanAveragePrecision().update(preds, target)


def test_values_that_cannot_be_are_named_with_their_image():
    with pytest.raises(DataError, match=r"preds of image 1 .* are not finite"):
        evaluated([ONE, ONE | {"scores": torch.tensor([float("nan")])}], [ONE, ONE])
    with pytest.raises(DataError, match=r"labels must be in 0\.\.3 \(4 classes\), got 4"):
        evaluated([ONE | {"labels": torch.tensor([4])}], [ONE])


def test_a_batch_is_never_waited_for():
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    image = {key: value.to("meta") for key, value in ONE.items()}
    MeanAveragePrecision().update([image], [image])
