"""What goes into a file comes out of it, and nothing else does."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from dltools.loaders.samples.codec import (
    DamagedError,
    UncacheableError,
    checksum_of,
    encode,
    layout_of,
)

TYPES = st.one_of(
    nps.boolean_dtypes(),
    nps.integer_dtypes(endianness="?"),
    nps.unsigned_integer_dtypes(endianness="?"),
    nps.floating_dtypes(endianness="?"),
    nps.complex_number_dtypes(endianness="?"),
    nps.datetime64_dtypes(endianness="?"),
    nps.timedelta64_dtypes(endianness="?"),
    nps.byte_string_dtypes(),
    nps.unicode_string_dtypes(),
)
ARRAYS = nps.arrays(TYPES, nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
SAMPLES = st.dictionaries(st.text(max_size=8), PLAIN | ARRAYS, max_size=8)


def round_trip(sample: dict[str, Any]) -> dict[str, Any]:
    content = b"".join(map(bytes, encode(sample).parts))
    size = len(encode(sample).head)
    layout = layout_of(content[:size], len(content) - size)
    for array in layout.arrays:
        array[:], size = np.frombuffer(content, np.uint8, len(array), size), size + len(array)
    return layout.sample()


def assert_equal(found: dict[str, Any], sample: dict[str, Any]) -> None:
    assert list(found) == list(sample)
    for key, value in sample.items():
        assert type(found[key]) is type(value)
        if isinstance(value, np.ndarray):
            assert (found[key].dtype, found[key].shape) == (value.dtype, value.shape)
            assert found[key].tobytes() == value.tobytes()
            assert found[key].flags.writeable and found[key].flags.c_contiguous
        else:
            assert repr(found[key]) == repr(value)


@given(SAMPLES)
@settings(max_examples=200)
def test_plain_values_and_arrays_of_any_type_and_shape_come_back_to_the_bit(sample: dict[str, Any]) -> None:
    assert_equal(round_trip(sample), sample)


@given(nps.arrays(nps.floating_dtypes(), st.just((2, 3))), st.sampled_from(["T", "F", "step", "flip"]))
def test_arrays_come_back_whatever_their_order_in_memory(array: NDArray[Any], order: str) -> None:
    views = {"T": array.T, "F": np.asfortranarray(array), "step": array[:, ::2], "flip": array[::-1]}
    assert_equal(round_trip({"it": views[order]}), {"it": np.ascontiguousarray(views[order])})


@pytest.mark.parametrize(
    "value", [np.float32(0.1), np.int64(-3), np.bool_(True), np.str_("é"), float("nan"), -0.0, 10**40]
)
def test_single_values_keep_their_type(value: Any) -> None:
    assert_equal(round_trip({"it": value}), {"it": value})


class Kind(str, Enum):
    some = "some"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([1, 2], "'it' is a list"),
        ({"a": 1}, "'it' is a dict"),
        (Kind.some, "'it' is a Kind"),
        (Path("x"), "'it' is a PosixPath"),
        (b"raw", "'it' is a bytes"),
        (np.array([None]), "'it' is a ndarray of object"),
        (np.zeros(2, [("a", "i4")]), "'it' is a ndarray of"),
        (np.ma.masked_array([1], [True]), "'it' is a MaskedArray"),
    ],
)
def test_anything_else_is_refused_by_name(value: Any, told: str) -> None:
    with pytest.raises(UncacheableError, match=told):
        encode({"image": np.zeros(3), "it": value})


@pytest.mark.parametrize(
    "rows",
    [
        [["it", "|O", [1]]],
        [["it", "|V8", [1]]],
        [["it", "i4,i4", [1]]],
        [["it", "<f4", [-2, -1]]],
        [["it", "<f4", [2.0]]],
        [["it", "<f4", ["2"]]],
        [["it", "<f4", 2]],
        [["it", "<f4", [1] * 65]],
        [["it", "no type", [2]]],
        [["it", "<f4", [10**15]]],
        [["it", "<f4"]],
        [[["it"], "<f4", [2], 3]],
        {"it": 2},
        5,
    ],
)
def test_a_head_of_others_is_not_believed(rows: Any) -> None:
    with pytest.raises(DamagedError):
        layout_of(json.dumps(rows).encode(), room=8)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_head_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedError):
        layout_of(content, room=8)


@given(st.lists(st.binary(max_size=9), max_size=4))
def test_a_checksum_is_of_all_parts_as_one(parts: list[bytes]) -> None:
    assert checksum_of(list(parts)) == checksum_of([b"".join(parts)])
