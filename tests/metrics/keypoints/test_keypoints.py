"""Metrics of keypoints against loops over joints."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dltools.cfgutils import DataError, FieldError
from dltools.cfgutils.build import build
from dltools.metrics.combine import MetricSet
from dltools.metrics.keypoints import PCK, JointDistances, KeypointAUC, NormalizedMeanError, PCKh

NAMES = ["left_eye", "right_eye", "nose", "mouth", "chin"]
ALL = [PCK, PCKh, KeypointAUC, NormalizedMeanError]
every_metric = pytest.mark.parametrize("make", ALL)


def batch(seed, objects=4):
    rng = np.random.default_rng(seed)
    truth = np.dstack((rng.random((objects, 5, 2)) * 64, rng.choice([0, 1, 2], (objects, 5))))
    preds = truth[..., :2] + rng.normal(0, 4, (objects, 5, 2))
    if objects:
        preds[0, 0] = np.nan
    return preds, truth, rng.uniform(20, 60, objects)


def computed(metric, *batches, key="scale"):
    for preds, truth, scale in batches:
        target = {"keypoints": torch.from_numpy(truth), key: torch.from_numpy(scale)}
        metric.update(torch.from_numpy(preds), target)
    return metric.compute()


def value(metric, *batches):
    return computed(metric, *batches, key=metric.scale).item()


def distances(preds, truth, scale, joints=range(5)):
    """Distances in scales of the joints that are present, one after the other; NaN predictions are infinitely far."""
    found = [
        math.dist(preds[b, k], truth[b, k, :2]) / scale[b]
        for b in range(len(preds))
        for k in joints
        if truth[b, k, 2] > 0
    ]
    return [math.inf if math.isnan(distance) else distance for distance in found]


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.05, 0.1, 0.2]))
def test_pck_is_the_share_of_present_joints_within_the_threshold(seed, threshold):
    hits = [distance <= threshold for distance in distances(*batch(seed))]
    assert value(PCK(threshold=threshold), batch(seed)) == pytest.approx(np.mean(hits))


@given(seed=st.integers(0, 10_000), limit=st.sampled_from([0.05, 0.2, 5.0]))
def test_the_area_is_that_under_the_curve_of_pck(seed, limit):
    found = distances(*batch(seed))
    # The curve is a staircase: its area is that of the rectangles between the distances at which it rises.
    edges = sorted({0.0, limit, *(distance for distance in found if distance < limit)})
    area = sum(np.mean(np.array(found) <= low) * (high - low) for low, high in itertools.pairwise(edges))
    assert value(KeypointAUC(limit=limit), batch(seed)) == pytest.approx(area / limit, abs=1e-12)


@given(seed=st.integers(0, 10_000))
def test_nme_is_the_mean_distance_in_scales(seed):
    preds, truth, scale = batch(seed)
    preds[0, 0] = truth[0, 0, :2] + 3
    assert value(NormalizedMeanError(), (preds, truth, scale)) == pytest.approx(np.mean(distances(preds, truth, scale)))


def test_a_joint_exactly_at_the_threshold_is_correct():
    truth = np.array([[[0.0, 0.0, 2.0]]])
    for distance, scale, threshold in [(3, 30, 0.1), (6, 60, 0.1), (0.3, 3, 0.1), (7, 10, 0.7), (5, 10, 0.5)]:
        preds = np.array([[[float(distance), 0.0]]])
        assert value(PCK(threshold=threshold), (preds, truth, np.array([float(scale)]))) == 1, (distance, scale)


@every_metric
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 6))
def test_the_split_and_the_order_of_batches_do_not_matter(make, seed, cut):
    whole = batch(seed, 6)
    one, other = [part[:cut] for part in whole], [part[cut:] for part in whole]
    assert value(make(), one, other) == value(make(), whole) == value(make(), other, one)


@every_metric
def test_without_joints_it_is_undefined(make):
    preds, truth, scale = batch(3)
    truth[..., 2] = 0
    assert math.isnan(value(make(), (preds, truth, scale)))
    assert math.isnan(value(make(), batch(3, 0)))
    assert make().compute().isnan()


@every_metric
def test_absent_joints_do_not_count_wherever_they_are(make):
    preds, truth, scale = batch(4)
    absent = truth[..., 2] == 0
    moved = truth.copy()
    moved[absent] = [np.nan, 1e9, 0]
    assert value(make(), (preds, moved, scale)) == value(make(), (preds, truth, scale))
    preds[absent] = np.nan
    assert value(make(), (preds, truth, scale)) == value(make(), (preds, moved, scale))


@every_metric
def test_a_joint_whose_true_place_is_unknown_is_absent(make):
    preds, truth, scale = batch(4)
    hidden, unknown = truth.copy(), truth.copy()
    hidden[:, 1, 2] = 0
    unknown[:, 1] = [np.nan, 5, 2]
    assert value(make(), (preds, unknown, scale)) == value(make(), (preds, hidden, scale))


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("metric", "sign"), [(PCK(), 1), (PCKh(), 1), (KeypointAUC(), 1), (NormalizedMeanError(limit=2), -1)]
)
def test_losing_more_joints_never_improves_it(metric, sign, lost):
    preds, truth, scale = batch(5)
    truth[..., 2] = 1
    before = math.inf
    for joint in range(5):
        preds[:, joint] = lost
        now = sign * value(copy.deepcopy(metric), (preds, truth, scale))
        assert now <= before
        before = now
    assert before == (0 if sign == 1 else -2)


def test_a_prediction_that_is_nan_is_the_worst_error_and_not_left_out():
    assert value(NormalizedMeanError(), batch(5)) == math.inf
    preds, truth, scale = batch(5)
    worst = [min(distance, 0.1) for distance in distances(preds, truth, scale)]
    assert value(NormalizedMeanError(limit=0.1), (preds, truth, scale)) == pytest.approx(np.mean(worst))


@every_metric
def test_the_third_column_of_a_prediction_is_not_read(make):
    preds, truth, scale = batch(6)
    with_scores = np.dstack((preds, np.full((4, 5), np.nan)))
    assert value(make(), (with_scores, truth, scale)) == value(make(), (preds, truth, scale))


@every_metric
def test_half_precision_and_integers_are_read_as_they_are(make):
    preds, truth, scale = (np.round(part) for part in batch(7))
    preds[0, 0] = 5
    expected = value(make(), (preds, truth, scale))
    target = {"keypoints": torch.from_numpy(truth).int(), make.scale: torch.from_numpy(scale).half()}
    for dtype in (torch.float16, torch.int64):
        metric = make()
        metric.update(torch.from_numpy(preds).to(dtype), target)
        assert metric.compute().item() == expected


@every_metric
def test_the_distance_of_two_joints_can_be_the_scale(make):
    preds, truth, _ = batch(8)
    truth[..., 2] = 1
    eyes = np.array([math.dist(truth[b, 0, :2], truth[b, 1, :2]) for b in range(4)])
    expected = value(make(), (preds, truth, eyes))
    named = {"num_keypoints": 5, "keypoint_names": NAMES}
    for between in (["left_eye", "right_eye"], ["right_eye", "0"], [0, 1]):
        assert value(make(between=between, **named), (preds, truth, eyes)) == expected
    assert value(make(between=["0", "1"]), (preds, truth, eyes)) == expected


@every_metric
def test_an_object_without_a_scale_is_left_out(make):
    preds, truth, scale = batch(9)
    truth[..., 2] = 1
    rest = value(make(), (preds[2:], truth[2:], scale[2:]))
    assert value(make(), (preds, truth, np.array([np.nan, np.nan, *scale[2:]]))) == rest
    hidden, together = truth.copy(), truth.copy()
    hidden[:2, 1, 2] = 0
    together[:2, 1] = together[:2, 0]
    expected = value(make(between=["0", "1"]), (preds[2:], truth[2:], scale[2:]))
    assert value(make(between=["0", "1"]), (preds, hidden, scale)) == expected
    assert value(make(between=["0", "1"]), (preds, together, scale)) == expected


@every_metric
@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf])
def test_a_scale_that_cannot_be_is_refused_where_there_are_joints(make, scale):
    preds, truth, scales = batch(10)
    truth[1, 0, 2] = 1
    scales[1] = scale
    with pytest.raises(DataError, match=f"must be positive and finite, or NaN for none, got {scale:g}"):
        value(make(), (preds, truth, scales))
    truth[1, :, 2] = 0
    value(make(), (preds, truth, scales))


def test_each_keypoint_has_its_value_under_its_name():
    first, second = batch(11), batch(12)
    found = computed(PCK(per_class=True, num_keypoints=5, keypoint_names=NAMES), first, second)
    assert list(found) == ["pck", *(f"pck/{name}" for name in NAMES)]
    assert found["pck"] == value(PCK(), first, second)
    for joint, name in enumerate(NAMES):
        hits = [d <= 0.1 for one in (first, second) for d in distances(*one, joints=[joint])]
        assert found[f"pck/{name}"].item() == pytest.approx(np.mean(hits))


@every_metric
def test_the_keys_before_any_batch_are_those_of_later(make):
    found = make(per_class=True, num_keypoints=5).compute()
    assert list(found) == [make.name, *(f"{make.name}/{joint}" for joint in range(5))]
    assert all(part.isnan() for part in found.values())


@every_metric
def test_a_reset_forgets_everything(make):
    metric = make()
    value(metric, batch(13))
    metric.reset()
    assert metric.compute().isnan()
    assert value(metric, batch(14)) == value(make(), batch(14))


def test_metrics_of_one_scale_share_the_distances():
    together = MetricSet(
        {"pck": PCK(), "loose": PCK(threshold=0.5), "nme": NormalizedMeanError(), "auc": KeypointAUC(), "pckh": PCKh()}
    )
    assert len({metric.state for metric in together.metrics.values()}) == 2
    preds, truth, scale = (torch.from_numpy(part) for part in batch(15))
    together.update({"keypoints": (preds, {"keypoints": truth, "scale": scale, "head_size": scale / 3})})
    scalars = together.compute().scalars
    assert scalars["loose"] == value(PCK(threshold=0.5), batch(15))
    assert scalars["pckh"] == value(PCKh(), (preds.numpy(), truth.numpy(), scale.numpy() / 3))


@every_metric
def test_a_batch_is_never_waited_for(make):
    target = {"keypoints": torch.rand(2, 3, 3, device="meta"), make.scale: torch.rand(2, device="meta")}
    make().to("meta").update(torch.rand(2, 3, 2, device="meta"), target)
    make(between=["0", "1"]).to("meta").update(torch.rand(2, 3, 2, device="meta"), target)


def test_scales_that_are_counted_elsewhere_are_refused_when_they_are_read():
    state = JointDistances()
    state.strays += 2
    with pytest.raises(DataError, match="got 2 others"):
        state.read()


def test_other_shapes_are_refused():
    truth, scale = torch.rand(2, 3, 3), torch.rand(2)
    rule = r"preds must be \(B, K, 2\) or \(B, K, 3\), and keypoints \(B, K, 3\); got preds "
    for preds in (torch.rand(2, 3, 4), torch.rand(2, 4, 2), torch.rand(2, 3, 2, 1)):
        with pytest.raises(ValueError, match=rule):
            PCK().update(preds, {"keypoints": truth, "scale": scale})
    with pytest.raises(ValueError, match=rule):
        PCK().update(torch.rand(2, 3, 2), {"keypoints": truth[..., :2], "scale": scale})
    with pytest.raises(ValueError, match=r"keypoints \(B, 4, 3\); got"):
        PCK(num_keypoints=4).update(torch.rand(2, 3, 2), {"keypoints": truth, "scale": scale})
    with pytest.raises(ValueError, match=r"scale must be \(B,\) = \(2,\), got \(2, 1\)"):
        PCK().update(torch.rand(2, 3, 2), {"keypoints": truth, "scale": scale[:, None]})


def test_a_target_without_the_scale_is_refused_with_what_it_has():
    with pytest.raises(ValueError, match=r"has no 'head_size' \(B,\), only keypoints, scale; set scale .* or between"):
        PCKh().update(torch.rand(2, 3, 2), {"keypoints": torch.rand(2, 3, 3), "scale": torch.rand(2)})


@pytest.mark.parametrize(
    "between", [["left_eye"], ["left_eye", "left_eye"], ["left_eye", "ear"], ["0", "5"], ["-1", "0"]]
)
def test_other_than_two_keypoints_are_no_scale(between):
    with pytest.raises(FieldError, match=r"between must be two keypoints of left_eye, .*, got "):
        PCK(between=between, num_keypoints=5, keypoint_names=NAMES)


def test_two_keypoints_can_be_named_in_a_config():
    config = OmegaConf.structured(NormalizedMeanError.Config)
    for between, names in [(["nose", "chin"], NAMES), ([2, 4], None)]:
        config.between = between
        metric = build(config, "metric.nme", num_keypoints=5, keypoint_names=names)
        assert metric.state.between == (2, 4)
    config.between = [2, 5]
    with pytest.raises(FieldError, match=r"metric.nme.between must be two keypoints of 0\.\.4, got 2, 5"):
        build(config, "metric.nme", num_keypoints=5)


def test_options_that_contradict_are_refused():
    with pytest.raises(FieldError, match="scale must not be set beside between, got 'head'"):
        PCK(between=["0", "1"], scale="head")
    with pytest.raises(FieldError, match="num_keypoints must be given where no data tells it, for per_class"):
        PCK(per_class=True)
    with pytest.raises(FieldError, match="keypoint_names must be num_keypoints = 4, got 5"):
        PCK(num_keypoints=4, keypoint_names=NAMES)
    with pytest.raises(FieldError, match="threshold must be greater than 0, got 0"):
        PCK(threshold=0)
    with pytest.raises(FieldError, match="limit must be greater than 0, got 0"):
        NormalizedMeanError(limit=0)
