"""What a run returns of its validations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.metrics.objective import Criterion, Goal, Objective

LOGGED = {"val/loss": False, "val/loss/ce": False, "val/iou": True, "val/iou/T-shirt": True, "val/bias": None}
LOGGED |= {"val/auroc/": True}


@pytest.mark.parametrize(
    ("mode", "value", "than", "better"),
    [
        ("max", 0.6, 0.5, True),
        ("max", 0.5, 0.5, False),
        ("min", 0.4, 0.5, True),
        ("min", 0.6, 0.5, False),
        ("max", 0.1, None, True),
        ("max", math.nan, None, False),
        ("max", math.nan, 0.5, False),
        ("min", 0.1, math.nan, True),
        ("max", -math.inf, math.nan, True),
    ],
)
def test_the_better_of_two_values_is_known_and_nan_is_never_it(mode, value, than, better):
    assert Criterion(expr="val/iou", mode=mode).better(value, than) is better


HISTORY = [(1, 0.2), (2, math.nan), (3, 0.8), (4, 0.8), (6, 0.6), (8, 0.4)]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"mode": "max"}, 0.8),
        ({"mode": "min"}, 0.2),
        ({"mode": "max", "reduce": "last"}, 0.4),
        ({"mode": "max", "reduce": "mean"}, 0.6),
        ({"mode": "min", "reduce": "mean", "window": 2}, 0.5),
        ({"mode": "max", "reduce": "mean", "window": 100}, math.nan),
    ],
)
def test_many_validations_become_one_value(fields, value):
    assert Criterion(expr="x", **fields).reduced(HISTORY) == pytest.approx(value, nan_ok=True)


def test_the_best_validation_is_the_first_of_equals():
    assert Criterion(expr="x", mode="max").best(HISTORY) == (3, 0.8)
    assert Criterion(expr="x", mode="min").best(HISTORY) == (1, 0.2)


@pytest.mark.parametrize("reduce", ["best", "last", "mean"])
@pytest.mark.parametrize("history", [[], [(1, math.nan)], [(1, math.nan), (2, math.nan)]])
def test_without_any_value_the_objective_is_nan(reduce, history):
    criterion = Criterion(expr="x", mode="max", reduce=reduce)
    assert math.isnan(criterion.reduced(history)) and criterion.best(history) is None


def test_fewer_validations_than_the_window_are_all_averaged():
    assert Criterion(expr="x", reduce="mean", window=5).reduced([(1, 1.0), (2, 2.0)]) == 1.5


@given(st.lists(st.floats(), max_size=6), st.sampled_from(["max", "min"]))
def test_the_best_is_the_extreme_of_what_is_defined(values, mode):
    best = Criterion(expr="x", mode=mode).best(list(enumerate(values)))
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        assert best is None
    else:
        extreme = (max if mode == "max" else min)(defined)
        assert best is not None and best[1] == extreme and best[0] == values.index(extreme)


@pytest.mark.parametrize(
    ("expr", "mode"),
    [("val/iou", Goal.max), ("val/loss", Goal.min), ("(val/loss/ce)", Goal.min), ("val/auroc/cat", Goal.max)],
)
def test_a_single_value_tells_by_itself_which_way_is_better(expr, mode):
    assert Objective(expr=expr).criteria(LOGGED)["objective"].mode is mode
    assert Objective(expr=expr, mode=mode).criteria(LOGGED)["objective"].mode is mode


def test_a_text_that_as_a_whole_is_a_logged_name_needs_no_quotes():
    criterion = Objective(expr="val/iou/T-shirt").criteria(LOGGED)["objective"]
    assert criterion.expression.name == "val/iou/T-shirt" and criterion.mode is Goal.max
    assert criterion.value({"val/iou/T-shirt": 0.5}) == 0.5
    assert Objective(expr="'val/iou/T-shirt'").criteria(LOGGED)["objective"].expr == criterion.expr


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (
            {"expr": "val/ioo"},
            ["objective=val/ioo", "Did you mean 'val/iou'", "A validation logs val/loss, val/loss/ce"],
        ),
        ({"expr": "val/iou/2"}, ["val/iou / 2"]),
        ({"expr": "iou"}, ["objective=iou", "Did you mean 'val/iou'"]),
        ({"expr": "train/loss"}, ["'train/loss' is not logged", "val/loss"]),
        ({"expr": "2*val/iou"}, ["objective=2*val/iou", "calculated", "objective.mode=max or objective.mode=min"]),
        ({"expr": "val/bias"}, ["objective=val/bias", "Neither way is better", "objective.mode=max"]),
        ({"expr": "val/loss", "mode": "max"}, ["objective.mode=max is wrong for val/loss, of which min is better"]),
        ({"expr": "val/iou", "more": {"x": "val/los"}}, ["objective.more.x=val/los", "Did you mean 'val/loss'"]),
        ({"expr": "val/iou", "more": {"x": "-val/loss"}}, ["objective.more.x.mode=max"]),
    ],
)
def test_what_cannot_be_an_objective_is_told_before_anything_is_logged(objective, words):
    with pytest.raises(ConfigError) as caught:
        Objective(**objective).criteria(LOGGED)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"expr": "val/iou +"}, "expr cannot be read: 'val/iou +', at character 10"),
        ({"expr": "1 + 1"}, "expr must read a logged value"),
        ({"expr": "x", "mode": "up"}, "mode must be one of max, min, got 'up'"),
        ({"expr": "x", "reduce": "men"}, "reduce must be one of best, last, mean, got 'men'. Did you mean 'mean'"),
        ({"expr": "x", "window": 0}, "window must be at least 1"),
        ({"expr": "x", "more": {"a b": "y"}}, "more must have names of letters, digits and _, got 'a b'"),
        ({"expr": "x", "more": {"a": {"exp": "y"}}}, "more.a.exp is no field. Did you mean 'expr'"),
        ({"expr": "x", "more": {"a": {"mode": "max"}}}, "more.a.expr is missing"),
        ({"expr": "x", "more": {"a": "y +"}}, "more.a.expr cannot be read"),
        ({"expr": "x", "more": {"a": {"expr": "y", "window": -1}}}, "more.a.window must be at least 1"),
        ({"expr": "x", "more": {"a": None}}, "more.a.expr is missing"),
    ],
)
def test_a_wrong_field_is_told_with_its_name(fields, words):
    with pytest.raises(FieldError) as caught:
        Objective(**fields)
    assert words in str(caught.value)


def test_further_objectives_are_an_expression_or_fields_and_keep_their_order():
    more = {"loss": "val/loss", "both": {"expr": "val/iou - val/loss", "mode": "max", "reduce": "last"}}
    criteria = Objective(expr="val/iou", reduce="mean", more=more).criteria(LOGGED)
    assert list(criteria) == ["objective", "objective/loss", "objective/both"]
    assert [criterion.mode for criterion in criteria.values()] == [Goal.max, Goal.min, Goal.max]
    assert [criterion.reduce.value for criterion in criteria.values()] == ["mean", "best", "last"]


def test_a_name_that_turns_out_not_to_be_logged_is_told_at_the_first_validation():
    criterion = Objective(expr="val/auroc/cta").criteria(LOGGED)["objective"]
    with pytest.raises(ConfigError, match=r"objective=val/auroc/cta: .* Did you mean 'val/auroc/cat'"):
        criterion.value({"val/auroc/cat": 0.5})
