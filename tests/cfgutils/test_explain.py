"""What a user reads when something is wrong."""

from __future__ import annotations

import pytest

from dltools.cfgutils import DataError
from dltools.cfgutils.explain import explain
from dltools.cfgutils.search_path import compose


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["task=segmentaton"], ["task=segmentaton", "Did you mean 'segmentation'", "classification"]),
        (["loss=dcie"], ["loss=dcie", "Did you mean 'dice'", "joined by plus"]),
        (["loss=dice+fcal"], ["loss=dice+fcal", "'fcal' is no loss", "Did you mean 'focal'"]),
        (["loss=dice+dice"], ["named twice"]),
        (["loss=2*imbalanced"], ["'imbalanced' is not a component", "only a component carries a weight"]),
        (["model=unett"], ["model=unett", "Did you mean 'unet'"]),
        (["optim.lrr=1"], ["optim.lrr: there is no key 'lrr' in optim", "Did you mean 'lr'"]),
        (["loss.focal.gamma=1"], ["loss.focal: there is no key 'focal' in loss", "ce, dice"]),
        (["optm=sgd"], ["optm", "Did you mean 'optim'"]),
        (["seed=abc"], ["seed=abc", "could not be converted to Integer"]),
        (["policy.epochs=many"], ["policy.epochs=many", "could not be converted to Integer"]),
        (["optim.lr=fast"], ["optim.lr=fast", "could not be converted to Float"]),
        (["loss=dice", "loss.dice.mode=multi"], ["loss.dice.mode=multi", "multiclass"]),
        (["experiment=dmo"], ["experiment=dmo", "Did you mean 'demo'"]),
        (["stopper=patience"], ["stopper"]),
        (["seed"], ["seed", "EQUAL"]),
        (["data.root.deeper=1"], ["data.root"]),
        (["objective=val/iou+"], ["objective cannot be read: 'val/iou+'", "at character 9", "got the end"]),
        (["objective=min(val/iou,val/dice)"], ["stands in quotes: \"objective='min(val/iou,val/dice)'\""]),
        (["objective.expr=(val/iou)"], ["stands in quotes: \"objective.expr='(val/iou)'\""]),
        (["objective.mod=max"], ["objective.mod: there is no key 'mod' in objective", "Did you mean 'mode'"]),
    ],
)
def test_a_wrong_word_is_told_where_it_stands_and_the_nearest_right_one(overrides, words):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any exception is explained
        compose(overrides)
    text = explain(caught.value)
    assert all(word in text for word in words), text
    assert "Traceback" not in text
    assert "Config search path" not in text


def test_an_error_from_a_loaders_worker_is_told_without_its_traceback():
    error = DataError(
        "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File x\n"
        "dltools.cfgutils.errors.DataError: a.png cannot be decoded.\n"
    )
    assert explain(error) == "a.png cannot be decoded."


def test_an_error_that_nobody_foresaw_is_told_with_its_type_and_place():
    with pytest.raises(IndexError) as caught:
        [][1]
    assert explain(caught.value).startswith("IndexError: list index out of range (")
    assert "test_explain.py:" in explain(caught.value)
