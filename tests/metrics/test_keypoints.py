"""PCK against a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.metrics import PCK


def batch(seed):
    rng = np.random.default_rng(seed)
    truth = np.dstack((rng.random((4, 5, 2)) * 64, rng.choice([0, 1, 2], (4, 5))))
    preds = truth[..., :2] + rng.normal(0, 4, (4, 5, 2))
    preds[0, 0] = np.nan
    return preds, truth, rng.uniform(20, 60, 4)


def value(threshold, *batches):
    metric = PCK(threshold=threshold)
    for preds, truth, scale in batches:
        target = {"keypoints": torch.from_numpy(truth), "scale": torch.from_numpy(scale)}
        metric.update(torch.from_numpy(preds), target)
    return metric.compute().item()


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.05, 0.1, 0.2]))
def test_it_is_the_share_of_present_joints_within_the_threshold(seed, threshold):
    preds, truth, scale = batch(seed)
    hits = [
        math.dist(preds[b, k], truth[b, k, :2]) <= threshold * scale[b]
        for b in range(4)
        for k in range(5)
        if truth[b, k, 2] > 0
    ]
    assert value(threshold, (preds, truth, scale)) == pytest.approx(np.mean(hits))


def test_the_split_into_batches_does_not_matter():
    one, other = batch(1), batch(2)
    whole = tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))
    assert value(0.1, one, other) == value(0.1, whole)


def test_without_joints_it_is_undefined():
    preds, truth, scale = batch(3)
    truth[..., 2] = 0
    assert math.isnan(value(0.1, (preds, truth, scale)))
    assert PCK().compute().isnan()


def test_a_batch_is_never_waited_for():
    target = {"keypoints": torch.rand(2, 3, 3, device="meta"), "scale": torch.rand(2, device="meta")}
    PCK().to("meta").update(torch.rand(2, 3, 2, device="meta"), target)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"pck takes .* got \(2, 3, 3\), \(2, 3, 3\) and \(2,\)"):
        PCK().update(torch.rand(2, 3, 3), {"keypoints": torch.rand(2, 3, 3), "scale": torch.rand(2)})
