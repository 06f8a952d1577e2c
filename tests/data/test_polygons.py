"""Masks of polygons: the pixels whose centre is inside, against each point asked by itself and against pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.data.polygons import fill

HEIGHT, WIDTH = 12, 17
CORNERS = st.lists(st.tuples(st.floats(-9, 29, width=32), st.floats(-9, 29, width=32)), min_size=3, max_size=9)


def filled(polygon, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width), np.uint8)
    fill(mask, np.asarray(polygon, np.float32), 1)
    return mask


def is_inside(x, y, polygon):
    """Count the edges to the right or left of a point."""
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (ay > y) != (by > y) and x > ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


def distance(x, y, polygon):
    starts, ends = np.array(polygon, float), np.roll(np.array(polygon, float), -1, axis=0)
    step, point = ends - starts, np.array([x, y])
    share = ((point - starts) * step).sum(1) / np.maximum((step**2).sum(1), 1e-12)
    return np.linalg.norm(starts + share.clip(0, 1)[:, None] * step - point, axis=1).min()


@settings(max_examples=60, deadline=None)
@given(CORNERS)
def test_a_pixel_is_filled_if_its_centre_is_inside(polygon):
    mask = filled(polygon)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            if distance(column + 0.5, row + 0.5, polygon) > 1e-4:
                assert mask[row, column] == is_inside(column + 0.5, row + 0.5, polygon), (row, column)


def test_squares_have_their_area_and_place():
    mask = filled([[3, 2], [13, 2], [13, 9], [3, 9]])
    expected = np.zeros_like(mask)
    expected[2:9, 3:13] = 1
    assert np.array_equal(mask, expected)
    assert filled([[-5, -5], [99, -5], [99, 99], [-5, 99]]).all()
    assert not filled([[20, 2], [25, 2], [25, 9]]).any()
    assert not filled([[3, 2], [3, 9], [3, 4]]).any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
def test_large_shapes_are_nearly_those_of_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(30):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
        reach = rng.uniform(60, 90, 40)
        polygon = 100 + np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)
        wanted = coco.decode(coco.frPyObjects([polygon.ravel().tolist()], 200, 200))[..., 0]
        found = filled(polygon, 200, 200)
        assert (found & wanted).sum() > 0.98 * (found | wanted).sum()
