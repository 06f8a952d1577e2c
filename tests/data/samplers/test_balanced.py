"""Rules that draw rare classes more often."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.data.digit_scenes import DigitScenes
from dltools.data.samplers import ClassBalanced, RepeatFactor, classes_of
from dltools.data.statistics import class_weights, sample_weights

LABELS = np.repeat([0, 1, 2], [900, 90, 10])
SPLIT = range(1000)
SETS = st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=40).filter(any)


def _as_arrays(sets):
    return [np.array(sorted(ids), np.int64) for ids in sets]


def _plan(rule, sets):
    return rule.plan(range(len(sets)), lambda: _as_arrays(sets))


def _of_labels(rule):
    return rule.plan(SPLIT, lambda: list(LABELS[:, None]))


def test_inverse_weights_show_all_classes_equally_often_and_the_samples_of_each_too():
    plan = _of_labels(ClassBalanced(max_ratio=100))
    for epoch in range(5):
        counts = np.bincount(plan.order(0, epoch), minlength=1000)
        drawn = np.bincount(LABELS, counts)
        assert sorted(drawn) == [333, 333, 334]
        for label in range(3):
            assert np.ptp(counts[label == LABELS]) <= 1


@pytest.mark.parametrize("scheme", ["inverse", "sqrt_inverse", "effective_number", "enet"])
def test_the_counts_are_those_of_the_scheme_within_one(scheme):
    plan = ClassBalanced(scheme=scheme, num_samples=500).plan(SPLIT, lambda: list(LABELS[:, None]))
    expected = 500 * np.bincount(LABELS, sample_weights(LABELS, scheme)) / 1000
    drawn = np.bincount(LABELS[plan.order(3, 0)])
    assert len(plan) == drawn.sum() == 500
    assert (np.abs(drawn - expected) < 1).all()


def test_the_ratio_is_capped_and_a_warning_names_the_class(caplog):
    plan = _of_labels(ClassBalanced(max_ratio=20))
    drawn = np.bincount(LABELS, np.bincount(plan.order(0, 0))) / np.bincount(LABELS)
    assert drawn[2] / drawn[0] == pytest.approx(20, rel=0.02)
    assert drawn[1] / drawn[0] == pytest.approx(10, rel=0.02)
    assert caplog.messages == ["Classes 2 would weigh more than 20 times the least and are capped there."]


def test_a_warning_of_many_classes_stays_short(caplog):
    _plan(ClassBalanced(max_ratio=2), [{0}] * 10 + [{label} for label in range(1, 21)])
    listed = ", ".join(map(str, range(1, 13)))
    assert caplog.messages == [
        f"Classes {listed} and 8 more would weigh more than 2 times the least and are capped there."
    ]


@given(SETS)
def test_a_sample_has_the_weight_of_its_rarest_class_and_one_without_that_of_the_commonest(sets):
    counts = np.bincount([label for ids in sets for label in ids])
    weights = class_weights(counts)
    expected = np.array([max((weights[label] for label in ids), default=weights[counts.argmax()]) for ids in sets])
    drawn = np.bincount(_plan(ClassBalanced(), sets).order(0, 0), minlength=len(sets))
    assert (np.abs(drawn - len(sets) * expected / expected.sum()) < 1 + 1e-5).all()


@given(SETS, st.sampled_from([0.01, 0.3, 1.0]))
def test_repeat_factors_are_those_of_lvis(sets, threshold):
    share = {label: sum(label in ids for ids in sets) / len(sets) for ids in sets for label in ids}
    factors = [max((max(1, (threshold / share[label]) ** 0.5) for label in ids), default=1) for ids in sets]
    plan = _plan(RepeatFactor(threshold=threshold), sets)
    assert sum(factors) - 1e-9 <= len(plan) < sum(factors) + 1
    for epoch in range(3):
        drawn = np.bincount(plan.order(0, epoch), minlength=len(sets))
        assert drawn.sum() == len(plan) and (drawn >= 1).all()
        assert (np.abs(drawn - np.array(factors) * len(plan) / sum(factors)) < 1 + 1e-5).all()


def test_fractions_of_factors_are_rounded_anew_in_each_epoch():
    sets = [{0}] * 96 + [{1}] * 4
    plan = _plan(RepeatFactor(threshold=0.25), sets)
    assert len(plan) == 96 + 4 * 2.5
    drawn = np.array([np.bincount(plan.order(0, epoch))[96:] for epoch in range(400)])
    assert {*np.unique(drawn)} == {2, 3} and (drawn.sum(1) == 10).all()
    np.testing.assert_allclose(drawn.mean(0), 2.5, atol=0.1)


def test_a_threshold_below_all_shares_is_told_and_leaves_a_shuffle(caplog):
    with caplog.at_level(logging.WARNING):
        plan = _plan(RepeatFactor(), [{0}, {0}, {0, 1}, {1}, {0}])
    assert sorted(plan.order(0, 0)) == [0, 1, 2, 3, 4]
    assert caplog.messages == [
        "sampler.threshold=0.001 repeats nothing: even the rarest class, 1, is in 0.4 of the samples."
    ]


def test_scenes_with_rare_digits_are_drawn_more_often():
    split = DigitScenes(train_scenes=60, val_scenes=1, test_scenes=1, max_digits=2).split("train")
    for key in ("mask", "labels"):
        classes = classes_of(split, key)
        counts = np.bincount(np.concatenate(classes))
        rare = np.array([counts[ids].min() < np.median(counts) for ids in classes])
        drawn = np.bincount(ClassBalanced().plan(split, lambda ids=classes: ids).order(0, 0), minlength=60)
        assert drawn[rare].mean() > 1.15 * drawn[~rare].mean()


def test_shares_of_pixels_are_no_shares_of_samples():
    with pytest.raises(
        FieldError, match=r"scheme must be one of inverse, .*, enet, got median_frequency, which is for"
    ):
        ClassBalanced(scheme="median_frequency")
    with pytest.raises(FieldError, match="max_ratio must be at least 1, got 0"):
        ClassBalanced(max_ratio=0)
    with pytest.raises(FieldError, match="threshold must be greater than 0, got 0"):
        RepeatFactor(threshold=0)
