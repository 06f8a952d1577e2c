"""Weights that the user gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.cfgutils import ConfigError, DataError, FieldError
from dltools.data.manifest import Manifest
from dltools.data.samplers import Weighted

WEIGHTS = [0.0, 1.0, 2.0, 5.0]


def _counts(plan):
    return np.bincount(plan.order(0, 0), minlength=4).tolist()


def _plan(rule, split):
    return rule.plan(split, lambda: pytest.fail("classes are not asked for"))


@pytest.mark.parametrize("known", [(), ("weight",)])
def test_a_column_or_a_key_of_the_samples_tells_the_weights(told, known):
    split = told([{"weight": weight} for weight in WEIGHTS], known)
    assert _counts(_plan(Weighted(column="weight", num_samples=16), split)) == [0, 2, 4, 10]
    assert bool(split.read) != bool(known)
    assert len(_plan(Weighted(column="weight"), split)) == 4


def test_the_cells_of_a_table_are_numbers(told):
    split = told([{"weight": str(weight)} for weight in WEIGHTS], ("weight",))
    assert _counts(_plan(Weighted(column="weight", num_samples=8), split)) == [0, 1, 2, 5]


def test_a_column_of_a_manifest_tells_the_weights(tmp_path):
    photograph = load_sample_image("flower.jpg")
    lines = ["path,label,split,weight"]
    for number, weight in enumerate(WEIGHTS):
        Image.fromarray(photograph[: 20 * (number + 1), :20]).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,flower,train,{weight}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    split = Manifest(root=str(tmp_path), val_fraction=0, test_fraction=0).split("train")
    assert _counts(_plan(Weighted(column="weight", num_samples=8), split)) == [0, 1, 2, 5]
    with pytest.raises(DataError, match=r"sampler.column=path: sample 0 has '0.png' there; expected a number"):
        _plan(Weighted(column="path"), split)


def test_files_of_text_and_of_numpy_tell_the_weights(told, tmp_path):
    np.save(tmp_path / "weights.npy", np.array(WEIGHTS, np.float32))
    (tmp_path / "weights.txt").write_text("\n".join(map(str, WEIGHTS)) + "\n")
    for name in ("weights.npy", "weights.txt"):
        assert _counts(_plan(Weighted(file=str(tmp_path / name), num_samples=8), told([{}] * 4))) == [0, 1, 2, 5]


def test_huge_and_tiny_weights_count_as_they_stand_to_each_other(told):
    for scale in (1e-300, 1e307):
        split = told([{"weight": scale * weight} for weight in WEIGHTS])
        assert _counts(_plan(Weighted(column="weight", num_samples=8), split)) == [0, 1, 2, 5]


WRONG = {
    "the weight of sample 2 is -1.0; weights must be finite and not negative": [1, 1, -1.0, 1],
    "the weight of sample 0 is nan; weights must be finite": [float("nan"), 1, 1, 1],
    "the weight of sample 3 is inf; weights must be finite": [1, 1, 1, float("inf")],
    "all weights are 0; there is nothing to draw": [0, 0, 0, 0],
    "sample 1 has None there; expected a number": [1, None, 1, 1],
    "sample 2 has 'many' there; expected a number": [1, "1", "many", 1],
}


@pytest.mark.parametrize("message", WRONG)
def test_impossible_weights_are_named(told, message):
    split = told([{"weight": weight} for weight in WRONG[message]], ("weight",))
    with pytest.raises(DataError, match=f"^sampler.column=weight: {message}"):
        _plan(Weighted(column="weight"), split)


def test_a_column_that_is_not_there_is_told_before_all_samples_are_read(told):
    split = told([{"label": 3}] * 4)
    with pytest.raises(ConfigError, match=r"sampler.column=wieght: there is no such column; samples have image, index"):
        _plan(Weighted(column="wieght"), split)
    assert len(split.read) == 1


def test_files_that_do_not_fit_are_told(told, tmp_path):
    split, path = told([{}] * 4), tmp_path / "weights.txt"
    rule = Weighted(file=str(path))
    with pytest.raises(DataError, match=r"weights.txt: there is no such file; expected a weight for each"):
        _plan(rule, split)
    path.write_text("1\ntwo\n")
    with pytest.raises(DataError, match=r"weights.txt: could not convert string to float: 'two'; expected a number on"):
        _plan(rule, split)
    path.write_text("1\n2\n3\n")
    with pytest.raises(DataError, match=r"it holds float64 of shape \(3,\); expected a number for each of the 4"):
        _plan(rule, split)
    np.save(tmp_path / "names.npy", np.array(["a"] * 4))
    with pytest.raises(DataError, match=r"names.npy: it holds <U1 of shape \(4,\); expected a number"):
        _plan(Weighted(file=str(tmp_path / "names.npy")), split)


@pytest.mark.parametrize("fields", [{}, {"column": "weight", "file": "weights.txt"}])
def test_one_source_of_weights_must_be_given(fields):
    with pytest.raises(FieldError, match="column or file must be given, one of them, got"):
        Weighted(**fields)
