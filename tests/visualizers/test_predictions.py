"""The grid of truth and prediction, looked at pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.visualizers import Picture
from dltools.visualizers.layout import GAP, MARGIN, STRIP
from dltools.visualizers.overlay import draw_boxes, draw_keypoints, draw_mask
from dltools.visualizers.palette import PAPER, RIGHT, WRONG, colour_of
from dltools.visualizers.predictions import Predictions

GREY = np.full((64, 64, 3), 128, np.uint8)


def tiles_of(grid: np.ndarray, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the first pair's tiles, without their captions."""
    top, left = MARGIN + STRIP, MARGIN
    right = left + side + GAP
    return grid[top : top + side, left : left + side], grid[top : top + side, right : right + side]


def strips_of(grid: np.ndarray, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the captions of the first pair."""
    rows = slice(MARGIN, MARGIN + STRIP)
    return grid[rows, MARGIN : MARGIN + side], grid[rows, MARGIN + side + GAP : MARGIN + 2 * side + GAP]


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Tell whether a colour occurs in an image."""
    return bool((image == colour).all(-1).any())


def test_truth_is_on_the_left_and_prediction_on_the_right() -> None:
    truth, prediction = np.zeros((2, 64, 64), np.uint8)
    truth[:32], prediction[32:] = 1, 2
    left, right = tiles_of(Predictions().draw([Picture(GREY, {"mask": truth}, {"mask": prediction})]))
    blended = [tuple(np.uint8(64 + 0.5 * np.array(colour_of(index)))) for index in (1, 2)]
    assert tuple(left[60, 60]) == blended[0]
    assert tuple(left[200, 60]) == (128, 128, 128)
    assert tuple(right[60, 60]) == (128, 128, 128)
    assert tuple(right[200, 60]) == blended[1]


def test_small_images_grow_with_sharp_pixels_and_large_ones_shrink() -> None:
    small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    left, _ = tiles_of(Predictions().draw([Picture(small)]))
    np.testing.assert_array_equal(left[2::4, 2::4], small)
    large = Predictions(max_side=400).draw([Picture(np.zeros((1000, 800, 3), np.uint8))])
    assert large.shape == (400 + STRIP + 2 * MARGIN, 2 * 320 + GAP + 2 * MARGIN, 3)


def test_images_of_other_shapes_are_centred_on_paper() -> None:
    grid = Predictions().draw([Picture(GREY[:, :32]), Picture(GREY[:32])])
    left, _ = tiles_of(grid)
    assert left.shape[:2] == (256, 256)
    assert tuple(left[128, 10]) == PAPER
    assert tuple(left[128, 128]) == (128, 128, 128)


def test_grey_images_are_drawn_like_coloured_ones() -> None:
    np.testing.assert_array_equal(Predictions().draw([Picture(GREY[:, :, :1])]), Predictions().draw([Picture(GREY)]))


def test_boxes_are_drawn_where_they_are() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_boxes(image, np.array([[20.0, 40.0, 60.0, 90.0]]), {"labels": np.array([4])}, [])
    for row, column in ((60, 20), (60, 60), (40, 50), (90, 40)):
        assert tuple(drawn[row, column]) == colour_of(4)
    assert not drawn[60, 30:50].any()
    assert not image.any(), "the input stays as it was"


def test_boxes_of_a_low_score_are_not_drawn() -> None:
    boxes = np.array([[5.0, 20, 25, 40], [35, 20, 55, 40]])
    prediction = {"boxes": boxes, "labels": np.array([0, 4]), "scores": np.array([0.9, 0.2])}
    _, right = tiles_of(Predictions(min_score=0.5).draw([Picture(GREY, {}, prediction)]))
    assert has(right, colour_of(0))
    assert not has(right, colour_of(4))


def test_the_surest_box_is_on_top() -> None:
    boxes = np.array([[20.0, 20, 80, 80], [20, 20, 80, 80]])
    marks = {"labels": np.array([1, 2]), "scores": np.array([0.9, 0.5])}
    drawn = draw_boxes(np.zeros((100, 100, 3), np.uint8), boxes, marks, [])
    assert tuple(drawn[50, 20]) == colour_of(1)


def test_a_predicted_label_is_coloured_by_whether_it_is_right() -> None:
    for label, colour, other in ((3, RIGHT, WRONG), (5, WRONG, RIGHT)):
        grid = Predictions().draw([Picture(GREY, {"label": 3}, {"label": label, "score": 0.9}, list("abcdef"))])
        _, strip = strips_of(grid)
        assert has(strip, colour)
        assert not has(strip, other)


def test_ignored_pixels_are_hatched_and_background_is_left_alone() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    drawn = draw_mask(GREY, mask)
    np.testing.assert_array_equal(drawn[:, :32], GREY[:, :32])
    assert 0.2 < (drawn[:, 32:] != 128).any(-1).mean() < 0.6


@pytest.mark.parametrize("absent", [[50.0, 50.0, 0.0], [np.nan, np.nan, 2.0]])
def test_absent_joints_are_not_drawn_and_interrupt_the_line(absent: list[float]) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    joints = np.array([[[10.0, 50, 2], absent, [90, 50, 2]]])
    drawn = draw_keypoints(image, joints, 1.0)
    assert tuple(drawn[50, 10]) == colour_of(0)
    assert tuple(drawn[50, 90]) == colour_of(2)
    assert not drawn[:, 30:70].any()
    joined = draw_keypoints(image, joints, 1.0, skeleton=[[0, 2]])
    assert tuple(joined[50, 50]) == colour_of(0)


def test_one_object_may_come_without_its_axis_and_without_visibility() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    joints = np.array([[10.0, 50], [50, 20], [90, 50]])
    whole = np.concatenate([joints, np.full((3, 1), 2.0)], axis=1)[None]
    np.testing.assert_array_equal(draw_keypoints(image, joints, 1.0), draw_keypoints(image, whole, 1.0))


def test_the_legend_names_the_classes_that_occur() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:8], mask[8:16] = 3, 255
    grid = Predictions().draw([Picture(GREY, {"mask": mask}, {"mask": mask})])
    legend = grid[256 + STRIP + 2 * MARGIN :]
    assert has(legend, colour_of(3))
    assert not has(legend, colour_of(1))
    many = np.arange(64, dtype=np.uint8)[:, None].repeat(64, 1)
    tall = Predictions().draw([Picture(GREY, {"mask": many}, {}, [f"class {index}" for index in range(64)])])
    assert tall.shape[0] > grid.shape[0] + 5 * STRIP, "a long legend takes several lines"


def test_no_more_than_the_asked_number_is_drawn() -> None:
    pictures = [Picture(np.full_like(GREY, 10 * index)) for index in range(6)]
    np.testing.assert_array_equal(Predictions(num_images=2).draw(pictures), Predictions().draw(pictures[:2]))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_marks_are_drawn_without_an_error_and_always_alike(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    height, width = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    objects = data.draw(st.integers(0, 5))
    marks: dict[str, Any] = {
        "label": int(rng.integers(0, 300)),
        "mask": rng.integers(0, 256, (height, width)),
        "boxes": rng.normal(40, 60, (objects, 4)),
        "labels": rng.integers(0, 300, objects),
        "scores": rng.random(objects),
        "keypoints": rng.normal(40, 60, (objects, 4, 3)),
    }
    chosen = {name: marks[name] for name in data.draw(st.sets(st.sampled_from(["label", "mask", "keypoints"])))}
    if data.draw(st.booleans()):
        chosen = marks
    picture = Picture(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), chosen, chosen, caption="x" * 200)
    visualizer = Predictions(min_side=64, max_side=64)
    grid = visualizer.draw([picture] * data.draw(st.integers(1, 3)))
    assert grid.dtype == np.uint8
    assert grid.ndim == 3
    np.testing.assert_array_equal(visualizer.draw([picture]), visualizer.draw([picture]))


def test_bad_fields_are_refused() -> None:
    with pytest.raises(FieldError, match="max_side must be at least min_side = 256, got 100"):
        Predictions(max_side=100)
    with pytest.raises(ConfigError, match=r"^every must be a time unit"):
        Predictions(every="often")
    with pytest.raises(FieldError, match="every must be counted in ep, st or %, got '30min'"):
        Predictions(every="30min")
