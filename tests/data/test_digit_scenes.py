import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import load_scans, partition


def equal(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_samples_have_the_contracts_shapes_and_types():
    sample = DigitScenes().split("train")[7]
    count = len(sample["labels"])
    layout = {key: (value.shape, str(value.dtype)) for key, value in sample.items() if key != "index"}
    assert layout == {
        "image": ((64, 64, 3), "uint8"),
        "mask": ((64, 64), "uint8"),
        "boxes": ((count, 4), "float32"),
        "labels": ((count,), "int64"),
        "keypoints": ((count, 5, 3), "float32"),
    }
    assert sample["index"] == 7


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 299), seed=st.integers(0, 3))
def test_masks_boxes_labels_and_keypoints_agree(index, seed):
    sample = DigitScenes(seed=seed).split("val")[index]
    covered = np.zeros_like(sample["mask"], bool)
    for box, label, points in zip(sample["boxes"], sample["labels"], sample["keypoints"], strict=True):
        x1, y1, x2, y2 = box.astype(int)
        inside = sample["mask"][y1:y2, x1:x2] == label + 1
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        covered[y1:y2, x1:x2] |= inside
        # Ink reaches at most half a pixel of interpolation beyond the frame.
        assert box[0] >= points[1:, 0].min() - 1 and box[2] <= points[1:, 0].max() + 1
        assert box[1] >= points[1:, 1].min() - 1 and box[3] <= points[1:, 1].max() + 1
    assert np.array_equal(covered, sample["mask"] > 0)


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 299))
def test_keypoints_are_the_centre_and_corners_of_a_square_turned_within_the_limit(index):
    scenes = DigitScenes(rotation=20)
    for points in scenes.split("val")[index]["keypoints"][..., :2]:
        centre, corners = points[0], points[1:]
        across, down = corners[1] - corners[0], corners[3] - corners[0]
        assert np.allclose(corners.mean(0), centre, atol=1e-3)
        assert np.allclose(down, [-across[1], across[0]], atol=1e-3)  # a quarter turn clockwise as seen, not mirrored
        assert scenes.min_scale - 1e-3 <= np.hypot(*across) <= scenes.max_scale + 1e-3
        assert abs(np.degrees(np.arctan2(across[1], across[0]))) <= 20 + 1e-3


def test_keypoints_lie_where_the_upright_scan_has_its_corners():
    scenes = DigitScenes(min_digits=1, max_digits=1, rotation=30, min_scale=28, max_scale=28)
    split = scenes.split("test")
    scans, labels = load_scans()
    candidates = partition(0.1, 0.2, 0)["test"]
    for index in range(20):
        sample = split[index]
        # The oracle straightens the mask by the corners alone and looks for the scan among all of that label.
        source = sample["keypoints"][0, 1:4, :2] - 0.5
        target = np.array([[0, 0], [32, 0], [32, 32]], np.float32) - 0.5
        straight = cv2.warpAffine(
            sample["mask"], cv2.getAffineTransform(source, target), (32, 32), flags=cv2.INTER_NEAREST
        )
        same = [scans[at] for at in candidates if labels[at] == sample["labels"][0]]
        inks = [
            cv2.resize(scan.astype(np.float32) / 16, (32, 32), interpolation=cv2.INTER_CUBIC) > 0.4 for scan in same
        ]
        overlap = [((straight > 0) & ink).sum() / ((straight > 0) | ink).sum() for ink in inks]
        assert max(overlap) > 0.85


def test_scenes_are_a_function_of_seed_split_and_position():
    first, second = DigitScenes().split("train"), DigitScenes(train_scenes=10).split("train")
    assert equal(first[9], second[9]) and equal(first[9], first[9])
    assert not equal(first[9], DigitScenes(seed=1).split("train")[9])
    assert not equal(first[9], DigitScenes().split("val")[9])


def test_pickled_splits_paint_the_same_scenes_and_carry_none():
    split = DigitScenes().split("train")
    expected = split[3]
    content = pickle.dumps(split)
    assert len(content) < 50_000 and equal(pickle.loads(content)[3], expected)


def test_callers_own_their_samples():
    split = DigitScenes().split("val")
    expected = split[0]["image"].copy()
    split[0]["image"][:] = 0
    assert np.array_equal(split[0]["image"], expected)


def test_scans_of_the_splits_are_disjoint():
    parts = [set(positions) for positions in partition(0.1, 0.2, 0).values()]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 1797


def test_scenes_differ_and_hold_several_digits_of_all_kinds():
    split = DigitScenes().split("test")
    samples = [split[index] for index in range(100)]
    assert len({sample["image"].tobytes() for sample in samples}) == 100
    assert set(np.concatenate([sample["labels"] for sample in samples])) == set(range(10))
    assert np.mean([len(sample["labels"]) for sample in samples]) > 2


def test_splits_end_where_they_say():
    split = DigitScenes(val_scenes=3).split("val")
    assert len(split) == len(list(split)) == 3
    with pytest.raises(IndexError):
        split[3]


@pytest.mark.parametrize("fields", [{"max_digits": 1}, {"max_scale": 10.0}, {"max_scale": 60.0}])
def test_impossible_limits_are_refused(fields):
    with pytest.raises(FieldError, match=next(iter(fields))):
        DigitScenes(**fields)


def test_names_and_counts_fit_the_samples():
    scenes = DigitScenes()
    assert scenes.mask_names[3] == scenes.class_names[2] == "2"
    assert (scenes.num_classes, scenes.num_mask_classes, scenes.num_keypoints, scenes.in_channels) == (10, 11, 5, 3)
