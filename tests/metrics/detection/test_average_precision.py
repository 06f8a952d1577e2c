"""Mean average precision against pycocotools, on random data sets and in the cases that COCO leaves undefined."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.metrics.detection import MeanAveragePrecision, OKSAveragePrecision

KINDS = ("boxes", "masks", "keypoints")
LIBRARIES = ("hotcoco", "pycocotools")


def evaluated(preds, target, make=MeanAveragePrecision, num_classes=4, **fields):
    metric = make(num_classes=num_classes, **fields)
    metric.update(preds, target)
    return {key: value.item() for key, value in metric.compute().items()}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(seed=st.integers(0, 100_000), extras=st.booleans(), library=st.sampled_from(LIBRARIES))
def test_all_values_are_those_of_pycocotools(coco, kind, seed, extras, library):
    preds, target = coco.scene(seed, kind, extras=extras)
    found = evaluated(preds, target, iou_type=kind, per_class=True, backend=library)
    assert found == pytest.approx(coco.summary(preds, target, kind), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("joints", [17, 5])
@settings(max_examples=25)
@given(seed=st.integers(0, 100_000), extras=st.booleans(), library=st.sampled_from(LIBRARIES))
def test_poses_have_a_metric_of_their_own(coco, joints, seed, extras, library):
    preds, target = coco.scene(seed, "keypoints", extras=extras, joints=joints)
    found = evaluated(preds, target, OKSAveragePrecision, per_class=True, backend=library)
    sigmas = None if joints == 17 else [0.05] * joints
    expected = coco.summary(preds, target, "keypoints", sigmas, "oks_ap", "oks_ar")
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=25)
@given(seed=st.integers(0, 100_000), kind=st.sampled_from(KINDS), limit=st.integers(1, 3))
def test_limits_and_thresholds_are_those_of_pycocotools(coco, seed, kind, limit):
    preds, target = coco.scene(seed, kind, extras=True)
    ious = [0.35, 0.5]
    found = evaluated(preds, target, iou_type=kind, max_detections=limit, iou_thresholds=ious)
    judged = coco.evaluation(preds, target, kind, ious=ious, limits=[limit])
    precision, recall = (judged.eval[key][..., 0, -1] for key in ("precision", "recall"))

    def mean(curve):
        return curve[curve > -1].mean() if (curve > -1).any() else math.nan

    assert found["map"] == pytest.approx(mean(precision), nan_ok=True)
    assert found["map_50"] == pytest.approx(mean(precision[1]), nan_ok=True)
    assert "map_75" not in found
    expected = mean(recall)
    assert found["mar" if kind == "keypoints" else f"mar_{limit}"] == pytest.approx(expected, nan_ok=True)


def test_a_sigma_for_all_points_and_one_for_each_are_taken(coco):
    preds, target = coco.scene(7, "keypoints", joints=5)
    one = evaluated(preds, target, OKSAveragePrecision, sigmas=[0.1])
    each = evaluated(preds, target, OKSAveragePrecision, sigmas=[0.1] * 5, num_keypoints=5)
    expected = coco.summary(preds, target, "keypoints", [0.1] * 5, "oks_ap", "oks_ar")
    assert one == each == pytest.approx({key: expected[key] for key in one}, abs=1e-12, nan_ok=True)
    with pytest.raises(FieldError, match="sigmas must be one value or 5, one a keypoint, got 2"):
        evaluated(preds, target, OKSAveragePrecision, sigmas=[0.1, 0.2])


def test_without_the_number_of_classes_those_that_occur_are_taken(coco):
    preds, target = coco.scene(3)
    shifted = [[image | {"labels": image["labels"] * 7 - 3} for image in side] for side in (preds, target)]
    expected = evaluated(preds, target)
    assert evaluated(preds, target, num_classes=None) == pytest.approx(expected, nan_ok=True, abs=0)
    assert evaluated(*shifted, num_classes=None) == pytest.approx(expected, nan_ok=True, abs=0)


EMPTY = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}
ONE = {"boxes": torch.tensor([[10.0, 10, 30, 30]]), "scores": torch.ones(1), "labels": torch.tensor([1])}


@pytest.mark.parametrize("library", LIBRARIES)
class TestWhatCocoLeavesUndefined:
    @pytest.mark.parametrize("kind", KINDS)
    def test_09_nothing_at_all_is_undefined(self, library, kind):
        assert all(math.isnan(value) for value in evaluated([], [], backend=library, iou_type=kind).values())
        values = MeanAveragePrecision(backend=library, iou_type=kind).compute().values()
        assert all(value.isnan() for value in values)

    def test_09_only_false_detections_are_undefined(self, library):
        assert all(math.isnan(value) for value in evaluated([ONE], [EMPTY], backend=library).values())

    def test_true_boxes_without_detections_count_zero(self, library):
        found = evaluated([EMPTY], [ONE], backend=library)
        assert found["map"] == found["map_small"] == found["mar_100"] == 0
        assert math.isnan(found["map_large"])

    def test_a_false_detection_of_a_class_without_true_boxes_costs_nothing(self, library):
        other = {key: torch.cat([value, value]) for key, value in ONE.items()} | {"labels": torch.tensor([1, 3])}
        assert evaluated([other], [ONE], backend=library)["map"] == pytest.approx(1)

    def test_a_false_detection_in_an_image_without_the_class_counts(self, library):
        high, low = ONE, ONE | {"scores": torch.tensor([0.5])}
        assert evaluated([low, high], [ONE, EMPTY], backend=library)["map"] == pytest.approx(0.5)

    def test_08_another_limit_of_detections_has_a_value(self, library):
        found = evaluated([ONE], [ONE], max_detections=5, backend=library)
        assert found["map"] == pytest.approx(1)
        assert [key for key in found if key.startswith("mar_") and key[4:].isdigit()] == ["mar_1", "mar_5"]

    def test_a_crowd_need_not_be_found_and_takes_any_number(self, library):
        crowd = ONE | {"iscrowd": torch.tensor([1])}
        both = {key: torch.cat([value, value]) for key, value in ONE.items()}
        assert math.isnan(evaluated([both], [crowd], backend=library)["map"])
        first = ONE | {"boxes": ONE["boxes"] + 50}
        beside = {key: torch.cat([crowd[key], value]) for key, value in (first | {"iscrowd": torch.zeros(1)}).items()}
        found = {key: torch.cat([both[key], first[key]]) for key in first}
        assert evaluated([found], [beside], backend=library)["map"] == pytest.approx(1)

    def test_15_ignore_is_overruled_by_iscrowd(self, library):
        target = ONE | {"ignore": torch.tensor([1])}
        assert evaluated([EMPTY], [target], backend=library)["map"] == 0


def pose(*visibility, at=10.0, **more):
    points = torch.tensor([[at + 7 * i, at + 3 * i, float(v)] for i, v in enumerate(visibility)])
    return {"keypoints": points[None], "scores": torch.ones(1), "area": torch.tensor([2000.0]), **more}


@pytest.mark.parametrize("library", LIBRARIES)
class TestPoses:
    def judged(self, preds, target, library):
        return evaluated(preds, target, OKSAveragePrecision, num_classes=None, backend=library)

    def test_keys_are_those_of_coco_for_poses(self, library):
        found = self.judged([pose(2, 2, 1)], [pose(2, 2, 1)], library)
        ends = ["", "_50", "_75", "_medium", "_large"]
        assert list(found) == [f"oks_ap{end}" for end in ends] + [f"oks_ar{end}" for end in ends]
        assert (found["oks_ap"], found["oks_ar_medium"]) == pytest.approx((1, 1))
        assert math.isnan(found["oks_ap_large"])

    def test_13_points_that_are_not_labelled_are_not_compared(self, library):
        far = pose(2, 2, 0)
        far["keypoints"][0, 2, :2] = torch.nan
        assert self.judged([pose(2, 2, 1)], [far], library)["oks_ap"] == pytest.approx(1)

    def test_13_an_object_without_a_labelled_point_need_not_be_found(self, library):
        assert math.isnan(self.judged([pose(1, 1, 1)], [pose(0, 0, 0)], library)["oks_ap"])

    def test_it_takes_up_a_detection_only_where_its_box_is_known(self, library):
        box = torch.tensor([[0.0, 0, 40, 40]])
        true, low = pose(2, 2, 2), pose(2, 2, 2, scores=torch.tensor([0.5]))
        for known, expected in (({"boxes": box}, 1.0), ({}, 0.5)):
            target = [pose(0, 0, 0, **known), true]
            assert self.judged([true, low], target, library)["oks_ap"] == pytest.approx(expected)

    def test_14_the_area_is_needed_and_decides_how_near_is_near(self, library):
        near = pose(2, 2, 2, at=12.0)
        small, large = pose(2, 2, 2, area=torch.ones(1)), pose(2, 2, 2, area=torch.full((1,), 1e6))
        assert math.isnan(self.judged([near], [small], library)["oks_ap_large"])
        assert self.judged([near], [small], library)["oks_ap"] == 0
        assert self.judged([near], [large], library)["oks_ap"] == pytest.approx(1)
        del small["area"]
        with pytest.raises(ValueError, match="area is missing beside the keypoints in target of image 0"):
            self.judged([near], [small], library)


def test_swapped_corners_match_nothing():
    swapped = ONE | {"boxes": ONE["boxes"][:, [2, 3, 0, 1]]}
    assert evaluated([swapped], [ONE])["map"] == 0


def test_classes_can_be_named():
    names = ["car", "cat", "cow", "cup"]
    found = evaluated([ONE], [ONE], per_class=True, class_names=names)
    assert (found["map/cat"], found["mar_100/cat"]) == pytest.approx((1, 1))
    assert math.isnan(found["map/cow"])
    with pytest.raises(FieldError, match="class_names must be num_classes = 4, got 1"):
        MeanAveragePrecision(num_classes=4, class_names=["car"])


@pytest.mark.parametrize(
    ("make", "fields", "message"),
    [
        (MeanAveragePrecision, {"iou_thresholds": [0.5, 0.0]}, "iou_thresholds must be values above 0, 1 at most"),
        (MeanAveragePrecision, {"iou_thresholds": []}, "iou_thresholds must be values above 0"),
        (MeanAveragePrecision, {"sigmas": [0.1]}, "sigmas are for iou_type=keypoints, got iou_type=boxes"),
        (OKSAveragePrecision, {"sigmas": [0.0]}, "sigmas must be finite values above 0"),
        (OKSAveragePrecision, {"sigmas": [0.1, 0.1], "num_keypoints": 3}, "one value or num_keypoints = 3, got 2"),
        (OKSAveragePrecision, {"iou_type": "boxes"}, "iou_type must be keypoints, got boxes"),
        (MeanAveragePrecision, {"backend": "hotcoc"}, "must be one of auto, hotcoco, pycocotools"),
    ],
)
def test_options_that_have_no_meaning_are_refused(make, fields, message):
    with pytest.raises(FieldError, match=message):
        make(**fields)


def test_a_library_that_is_not_installed_is_named_at_once(monkeypatch):
    monkeypatch.setattr("dltools.metrics.detection.coco.find_spec", lambda name: None)
    with pytest.raises(FieldError, match="backend hotcoco needs hotcoco: `pip install hotcoco`"):
        MeanAveragePrecision(backend="hotcoco")


def test_without_hotcoco_pycocotools_stands_in(monkeypatch, coco):
    preds, target = coco.scene(2)
    expected = evaluated(preds, target)
    monkeypatch.setattr("dltools.metrics.detection.coco.find_spec", lambda name: name == "pycocotools" or None)
    monkeypatch.setattr("dltools.metrics.detection.by_hotcoco.evaluated", None)
    assert evaluated(preds, target) == pytest.approx(expected, abs=1e-12, nan_ok=True)
