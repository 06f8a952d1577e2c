"""Panoptic quality against its definition in plain loops, and against torchmetrics where that is the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import DataError, FieldError
from dltools.metrics import MetricSet
from dltools.metrics.segmentation import PanopticQuality

VOID = 255
C = 4


def maps(seed, images=3, size=16, void=True):
    """Predicted and true maps (N, H, W, 2) of coarse segments, the prediction somewhat off."""
    rng = np.random.default_rng(seed)
    cells = size // 4
    true = np.stack([rng.integers(0, C, (images, cells, cells)), rng.integers(0, 3, (images, cells, cells))], -1)
    true = true.repeat(4, 1).repeat(4, 2)
    pred = np.roll(true, rng.integers(0, 3, 2), (1, 2))
    other = rng.random((images, cells, cells)).repeat(4, 1).repeat(4, 2) < 0.3
    pred[other, 0] = rng.integers(0, C, other.sum() // 16).repeat(16)[: other.sum()]
    if void:
        true[rng.random((images, cells, cells)).repeat(4, 1).repeat(4, 2) < 0.15, 0] = VOID
        pred[rng.random((images, size, size)) < 0.02, 0] = VOID
    return pred, true


def sums(pred, true, stuff=(), void=VOID):
    """IoU sum, TP, FP, FN of each class, segment by segment."""
    iou, tp, fp, fn = np.zeros((4, C))
    for p, t in zip(pred, true, strict=True):
        p, t = ([tuple(pixel) for pixel in ids.reshape(-1, 2).tolist()] for ids in (p, t))
        p, t = ([(c, 0 if c in stuff else i) if c != void else None for c, i in side] for side in (p, t))
        matched = set()
        for one in set(t) - {None}:
            for other in set(p) - {None}:
                if one[0] != other[0]:
                    continue
                both = sum(a == other and b == one for a, b in zip(p, t, strict=True))
                of_void = sum(a == other and b is None for a, b in zip(p, t, strict=True))
                union = p.count(other) - of_void + t.count(one) - both
                if union and both / union > 0.5:
                    matched |= {("pred", other), ("true", one)}
                    iou[one[0]] += both / union
                    tp[one[0]] += 1
        for one in set(t) - {None}:
            fn[one[0]] += ("true", one) not in matched
        for other in set(p) - {None}:
            of_void = sum(a == other and b is None for a, b in zip(p, t, strict=True))
            fp[other[0]] += ("pred", other) not in matched and of_void / p.count(other) <= 0.5
    return iou, tp, fp, fn


def qualities(iou, tp, fp, fn):
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = tp + fp / 2 + fn / 2
        sq = np.where((tp == 0) & (whole > 0), 0, iou / tp)
        return {"pq": iou / whole, "sq": sq, "rq": tp / whole}


def measured(metric, *pairs):
    for pred, true in pairs:
        metric.update(torch.as_tensor(np.array(pred)), torch.as_tensor(np.array(true)))
    return metric.compute()


def picture(*rows):
    """One image of a row of (class, instance) for each pixel."""
    return np.array([[list(rows)]])


@given(seed=st.integers(0, 10_000), stuff=st.sampled_from([[], [0], [1, 3]]))
def test_it_is_what_the_definition_gives_segment_by_segment(seed, stuff):
    pred, true = maps(seed, 2, 12)
    found = measured(
        PanopticQuality(num_classes=C, ignore_index=VOID, stuff=stuff or None, per_class=True), (pred, true)
    )
    expected = qualities(*sums(pred, true, stuff))
    for key, values in expected.items():
        assert found[key].item() == pytest.approx(np.nanmean(values), rel=1e-9, nan_ok=True)
        for index, value in enumerate(values):
            assert found[f"{key}/{index}"].item() == pytest.approx(value, rel=1e-9, nan_ok=True)
    if stuff:
        things = [index for index in range(C) if index not in stuff]
        assert found["pq_things"].item() == pytest.approx(np.nanmean(expected["pq"][things]), rel=1e-9, nan_ok=True)
        assert found["pq_stuff"].item() == pytest.approx(np.nanmean(expected["pq"][stuff]), rel=1e-9, nan_ok=True)
    else:
        assert "pq_stuff" not in found


@pytest.mark.parametrize("seed", range(3))
def test_without_void_it_is_that_of_torchmetrics(seed):
    from torchmetrics.detection import PanopticQuality as Theirs

    pred, true = maps(seed, void=False)
    theirs = Theirs(things={0, 1}, stuffs={2, 3}, return_per_class=True, return_sq_and_rq=True)
    theirs.update(torch.from_numpy(pred), torch.from_numpy(true))
    expected = theirs.compute().squeeze(0)
    found = measured(PanopticQuality(num_classes=C, stuff=[2, 3], per_class=True), (pred, true))
    for index in range(C):
        ours = torch.stack([found[f"{key}/{index}"] for key in ("pq", "sq", "rq")])
        torch.testing.assert_close(ours, expected[index].double(), rtol=1e-6, atol=1e-7)


@given(seed=st.integers(0, 1000), order=st.permutations(range(4)), cut=st.integers(0, 4))
def test_neither_the_split_into_batches_nor_the_order_of_images_matters(seed, order, cut):
    pred, true = maps(seed, 4, 12)
    order = list(order)
    parts = [(pred[part], true[part]) for part in (order[:cut], order[cut:])]
    options = {"num_classes": C, "ignore_index": VOID}
    assert measured(PanopticQuality(**options), *parts) == measured(PanopticQuality(**options), (pred, true))


@given(seed=st.integers(0, 1000))
def test_the_numbers_of_instances_do_not_matter(seed):
    pred, true = maps(seed)
    options = {"num_classes": C, "ignore_index": VOID, "per_class": True}
    expected = measured(PanopticQuality(**options), (pred, true))
    pred, true = pred.copy(), true.copy()
    pred[..., 1] = 2**40 - pred[..., 1] * 7
    true[..., 1] = true[..., 1] * 1_000_003 - 5
    torch.testing.assert_close(
        measured(PanopticQuality(**options), (pred, true)), expected, rtol=0, atol=0, equal_nan=True
    )


def test_quality_is_segmentation_times_recognition():
    found = measured(PanopticQuality(num_classes=C, ignore_index=VOID, per_class=True), maps(0))
    for index in range(C):
        pq, sq, rq = (found[f"{key}/{index}"].item() for key in ("pq", "sq", "rq"))
        assert pq == pytest.approx(sq * rq)


def test_an_iou_of_one_half_is_no_match():
    true = picture((1, 1), (1, 1), (0, 0), (0, 0))
    half = picture((1, 5), (0, 0), (0, 0), (0, 0))
    found = measured(PanopticQuality(num_classes=2, per_class=True), (half, true))
    assert found["pq/1"] == found["sq/1"] == found["rq/1"] == 0
    assert found["pq/0"].item() == pytest.approx(2 / 3)


def test_one_segment_split_in_two_matches_neither_half():
    true = picture(*[(1, 1)] * 4)
    split = picture((1, 1), (1, 1), (1, 2), (1, 2))
    metric = PanopticQuality(num_classes=2)
    assert measured(metric, (split, true))["pq"] == 0
    assert metric.state.sums[1:, 1].tolist() == [0, 2, 1]
    assert measured(PanopticQuality(num_classes=2, stuff=[1]), (split, true))["pq"] == 1


def test_equal_ids_in_two_images_are_two_segments():
    two = np.concatenate([picture((1, 1), (1, 1))] * 2)
    metric = PanopticQuality(num_classes=2)
    assert measured(metric, (two, two))["pq"] == 1
    assert metric.state.sums[1, 1] == 2


def test_true_void_is_taken_out_of_the_union_and_forgives_what_is_mostly_on_it():
    true = picture((1, 1), (1, 1), (VOID, 1), (VOID, 2), (VOID, 3), (0, 0))
    metric = PanopticQuality(num_classes=2, ignore_index=VOID)
    spread = picture((1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (0, 0))
    assert measured(metric, (spread, true))["pq"] == 1
    metric.reset()
    beside = picture((1, 1), (1, 1), (1, 2), (1, 2), (0, 7), (0, 0))
    measured(metric, (beside, true))
    assert metric.state.sums[1:, 1].tolist() == [1, 0, 0]


def test_what_is_half_on_void_is_a_false_positive():
    true = picture((1, 1), (1, 1), (VOID, 0), (VOID, 0))
    pred = picture((1, 1), (0, 2), (0, 2), (VOID, 0))
    metric = PanopticQuality(num_classes=2, ignore_index=VOID)
    measured(metric, (pred, true))
    assert metric.state.sums[1:].tolist() == [[0, 0], [1, 1], [0, 1]]


def test_predicting_void_is_no_excuse():
    true = picture(*[(1, 1)] * 4)
    nothing = picture(*[(VOID, 0)] * 4)
    values = measured(PanopticQuality(num_classes=2, ignore_index=VOID), (nothing, true))
    assert values["pq"] == values["sq"] == values["rq"] == 0


def test_a_class_that_is_only_predicted_counts_zero_and_one_that_is_nowhere_not_at_all():
    found = measured(PanopticQuality(num_classes=3, per_class=True), (picture((0, 0), (1, 1)), picture((0, 0), (0, 0))))
    assert found["pq/1"] == found["sq/1"] == 0
    assert found["pq/2"].isnan()
    assert found["sq/2"].isnan()
    assert found["pq"] == found["pq/0"] / 2 == 0


@pytest.mark.parametrize("what", ["no batch", "no image", "all void"])
def test_where_there_is_no_segment_nothing_is_defined(what):
    void = np.full((1, 3, 4, 2), VOID)
    pairs = {"no batch": [], "no image": [(void[:0], void[:0])], "all void": [(void * 0, void)]}[what]
    options = {"num_classes": 2, "ignore_index": VOID, "stuff": [0], "per_class": True}
    values = measured(PanopticQuality(**options), *pairs)
    per_class = [f"{key}/{index}" for key in ("pq", "sq", "rq") for index in range(2)]
    assert list(values) == ["pq", "sq", "rq", "pq_things", "pq_stuff", *per_class]
    assert all(math.isnan(value) for value in values.values())


def test_a_void_class_within_the_range_has_no_value():
    pred, true = maps(1, void=False)
    found = measured(PanopticQuality(num_classes=C, ignore_index=0, per_class=True), (pred, true))
    expected = qualities(*sums(pred, true, void=0))["pq"]
    assert "pq/0" not in found
    assert found["pq"].item() == pytest.approx(expected[1:].mean())


def test_in_a_set_its_own_keys_go_with_its_name():
    together = MetricSet(
        {"panoptic_quality": PanopticQuality(num_classes=2, stuff=[0], class_names=["sky", "cat"], per_class=True)}
    )
    pair = torch.from_numpy(picture((0, 0), (1, 1)))
    together.update({"panoptic": (pair, pair)})
    values = together.compute().scalars
    own = ["", "_things", "_stuff", "/sky", "/cat"]
    parts = [f"{key}{name}" for key in ("sq", "rq") for name in ("", "/sky", "/cat")]
    assert set(values) == {f"panoptic_quality{key}" for key in own} | set(parts)
    assert set(values.values()) == {1.0}
    assert set(together.expected()) == set(values)


def test_maps_and_options_that_do_not_fit_are_told():
    metric = PanopticQuality(num_classes=2, ignore_index=VOID)
    good = picture((0, 0), (1, 1))
    with pytest.raises(ValueError, match=r"\(N, \*spatial, 2\) of class and instance ids, got preds \(1, 2, 2\) and"):
        measured(metric, (good[0], good))
    with pytest.raises(ValueError, match="must be integers, got torch"):
        measured(metric, (good.astype(float), good))
    for wrong in (2, -1, 300):
        for place, name in enumerate(("preds", "target")):
            pair = [good, good]
            pair[place] = picture((wrong, 0), (1, 1))
            with pytest.raises(DataError, match=rf"class ids must be in 0\.\.1 .*, got {wrong} in {name}"):
                measured(metric, pair)
    with pytest.raises(FieldError, match="num_classes must be given"):
        PanopticQuality()
    with pytest.raises(FieldError, match=r"stuff must be class ids in 0\.\.1, got \[2\]"):
        PanopticQuality(num_classes=2, stuff=[2])
