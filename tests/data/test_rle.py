"""Run lengths, against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dltools.data.rle import decode, unpack

coco = pytest.importorskip("pycocotools.mask")


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)))
def test_any_mask_comes_back(mask):
    packed = coco.encode(np.asfortranarray(mask))
    assert np.array_equal(decode(unpack(packed["counts"]), *mask.shape), mask)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=30))
def test_any_counts_come_back(counts):
    packed = coco.frPyObjects({"counts": counts, "size": [sum(counts), 1]}, sum(counts), 1)["counts"]
    assert unpack(packed).tolist() == counts


def test_nothing_is_no_counts():
    assert unpack(b"").tolist() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"1 2", "no characters but '0' to 'o'"), (b"1o", "cut short"), (b"oooooooo1", "more than 7 characters")],
)
def test_what_is_no_compressed_string_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        unpack(text)


@pytest.mark.parametrize(
    ("counts", "message"), [([3, 2], "add up to 6, the pixels of 3 x 2, not 5"), ([5, -1], r"in 0\.\.6, got -1 to 5")]
)
def test_counts_that_make_no_mask_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        decode(np.array(counts), 2, 3)
