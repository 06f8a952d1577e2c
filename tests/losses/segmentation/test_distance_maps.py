"""Distance maps against scipy's transform, with each of the libraries."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from dltools.losses.segmentation import utils
from dltools.losses.segmentation.utils import signed_distances, unsigned_distances

SPACINGS = {2: [None, (2.0, 2.0), (0.5, 3.0)], 3: [None, (2.0, 1.0, 0.7)]}
SHAPES = {1: (17,), 2: (12, 9), 3: (6, 7, 5)}
VOID = 255


@pytest.fixture(params=[library.module for library in utils.LIBRARIES])
def only_library(request, monkeypatch):
    """One library beside scipy, which stands in for what it cannot do."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"no {request.param}")
    rows = tuple(row for row in utils.LIBRARIES if row.module in (request.param, "scipy"))
    monkeypatch.setattr(utils, "LIBRARIES", rows)
    utils._library.cache_clear()
    yield
    utils._library.cache_clear()


def signed_oracle(ids, classes, spacing):
    spacing = spacing or (1.0,) * ids.ndim
    maps = np.zeros((classes, *ids.shape))
    for c in range(classes):
        inside = ids == c
        if inside.any() and not inside.all():
            outer = distance_transform_edt(~inside, spacing)
            inner = distance_transform_edt(inside, spacing) - min(spacing)
            maps[c] = np.where(inside, -inner, outer)
    return maps


def label_map(seed, shape, classes=4):
    """Class ids in clumps, some void, and a class or more that is absent."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(classes - 1, shape)
    for axis in range(len(shape)):
        ids = np.repeat(ids, 3, axis).take(np.arange(shape[axis]), axis)
    ids[rng.random(shape) < 0.1] = VOID
    return ids


@pytest.mark.parametrize(
    ("dims", "spacing"), [(1, None), *((dims, spacing) for dims, some in SPACINGS.items() for spacing in some)]
)
@pytest.mark.parametrize("seed", range(3))
def test_signed_maps_are_those_of_scipy(only_library, dims, spacing, seed):
    ids = label_map(seed, SHAPES[dims])
    np.testing.assert_allclose(signed_distances(ids, 5, spacing), signed_oracle(ids, 5, spacing), atol=1e-3)


@pytest.mark.parametrize("spacing", SPACINGS[2])
def test_unsigned_maps_are_the_distances_to_a_region(only_library, spacing):
    ids = label_map(0, SHAPES[2])
    maps = unsigned_distances(ids, 5, spacing)
    for c in range(3):
        np.testing.assert_allclose(maps[c], distance_transform_edt(ids != c, spacing), atol=1e-3)
    height, width = np.multiply(SHAPES[2], spacing or 1)
    assert maps[4] == pytest.approx(np.hypot(height, width))


@given(seed=st.integers(0, 1000))
def test_libraries_agree_with_scipy_on_any_map(seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, rng.integers(1, 6), tuple(rng.integers(1, 12, rng.integers(1, 4))))
    np.testing.assert_allclose(signed_distances(ids, 6), signed_oracle(ids, 6, None), atol=1e-3)


def test_a_large_map_keeps_its_precision(only_library):
    ids = np.zeros((512, 512), np.int64)
    ids[:3, :2] = 1
    ids[300:, 400:] = 2
    np.testing.assert_allclose(signed_distances(ids, 3), signed_oracle(ids, 3, None), atol=1e-3)


def test_the_border_lies_on_the_inner_places_of_a_region():
    ids = np.zeros((7, 7), int)
    ids[2:5, 2:5] = 1
    signed = signed_distances(ids, 2)[1]
    assert (signed[2, 2:5] == 0).all()
    assert signed[3, 3] == -1
    assert signed[1, 3] == 1
    assert ((signed > 0) == (ids == 0)).all()


def test_a_class_without_border_has_a_map_of_zeros():
    maps = signed_distances(np.full((4, 5), 2), 3)
    assert (maps == 0).all()


def test_places_of_no_class_are_the_outside_of_every_class():
    ids = np.full((1, 7), 0)
    ids[0, 3] = VOID
    assert signed_distances(ids, 1).tolist() == [[[-2, -1, 0, 1, 0, -1, -2]]]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (2, 2)])
def test_maps_without_places_or_classes_are_empty_or_zero(shape):
    maps = signed_distances(np.full(shape, VOID), 2)
    assert maps.shape == (2, *shape)
    assert (maps == 0).all()


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 1.0, 1.0)])
def test_a_spacing_for_each_dimension_is_asked_for(spacing):
    with pytest.raises(ValueError, match="one value for each of 2 spatial dimensions"):
        signed_distances(np.zeros((2, 2), int), 1, spacing)


@pytest.mark.parametrize("flip", [0, 1])
def test_a_flipped_image_has_flipped_maps(flip):
    ids = label_map(1, SHAPES[2])
    np.testing.assert_allclose(signed_distances(np.flip(ids, flip), 5), np.flip(signed_distances(ids, 5), flip + 1))


@pytest.mark.parametrize("seed", range(20))
def test_maps_are_the_same_bits_each_time(only_library, seed):
    ids = label_map(seed, (12, 13))
    first = signed_distances(ids, 4)
    for shift in range(8):
        elsewhere = np.empty(ids.size + shift, ids.dtype)[shift:].reshape(ids.shape)
        elsewhere[:] = ids
        assert np.array_equal(signed_distances(elsewhere, 4), first)
