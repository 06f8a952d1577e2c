import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_image
from sklearn.preprocessing import StandardScaler

from dltools.cfgutils import DataError, FieldError
from dltools.data.statistics import (
    ClassCounts,
    CoOccurrence,
    Duplicates,
    Facts,
    Histogram,
    Moments,
    NonFinite,
    Objects,
    Sizes,
    Summary,
    Target,
    plain,
)

PHOTO = np.array(load_sample_image("china.jpg"))


def sample(index, rng):
    height, width, count = rng.integers(1, 9, 3)
    return {
        "image": rng.integers(0, 4, (height, width, 2)).astype(np.uint8),
        "mask": rng.choice([0, 1, 2, 255], (height, width)).astype(np.uint8),
        "boxes": np.sort(rng.integers(0, 9, (count, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32),
        "labels": rng.integers(0, 3, count),
        "iscrowd": rng.random(count) < 0.2,
        "label": int(rng.integers(3)),
        "index": index,
    }


RNG = np.random.default_rng(0)
SAMPLES = [sample(index, RNG) for index in range(12)]
SAMPLES[7]["image"] = SAMPLES[2]["image"].copy()
SAMPLES[5]["boxes"][0, 0] = np.nan
KINDS = [
    Moments(),
    Histogram(),
    Sizes(),
    Objects(),
    Duplicates(split="train"),
    NonFinite(),
    CoOccurrence(of=Target.mask, num_classes=3),
    CoOccurrence(of=Target.labels, num_classes=3),
    *(ClassCounts(of=target, num_classes=3) for target in Target),
]


def counted(kind, samples):
    accumulator = kind.empty()
    for each in samples:
        accumulator.add(each)
    return accumulator


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.describe())
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(12)), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_parts_in_any_order_equal_the_whole_to_the_bit(kind, order, cuts):
    whole = plain(counted(kind, SAMPLES).result())
    total = kind.empty()
    for start, stop in pairwise([0, *sorted(cuts), 12]):
        part = pickle.loads(pickle.dumps(counted(kind, [SAMPLES[place] for place in order[start:stop]])))
        before = plain(part.result())
        total.merge(part)
        np.testing.assert_equal(plain(part.result()), before)
    np.testing.assert_equal(plain(total.result()), whole)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.describe())
def test_nothing_counted_has_a_result_and_changes_none(kind):
    nothing, some = kind.empty(), counted(kind, SAMPLES)
    plain(nothing.result())
    nothing.merge(some)
    some.merge(kind.empty())
    np.testing.assert_equal(plain(nothing.result()), plain(some.result()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.describe())
def test_lacking_keys_are_named(kind):
    with pytest.raises(DataError, match=f"it has no {kind.requires[0]}; it has other"):
        kind.empty().add({"other": 1})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_moments_of_integers_are_those_of_two_passes(dtype):
    rng = np.random.default_rng(1)
    high = np.iinfo(dtype).max
    images = [rng.integers(high - 3, high, (*rng.integers(1, 30, 2), 3), dtype, endpoint=True) for _ in range(9)]
    found = counted(Moments(), [{"image": image} for image in images]).result()
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float64)
    np.testing.assert_allclose(found.mean, pixels.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.std, pixels.std(0), rtol=1e-12)
    assert found.count.tolist() == [len(pixels)] * 3


@pytest.mark.parametrize("shape", [(4200, 1000, 1), (1, 1_300_000, 1), (1030, 1030, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_of_large_images_are_exact(shape, dtype):
    image = np.full(shape, np.iinfo(dtype).max, dtype)
    image[0, 0] = 1
    pixels, high = shape[0] * shape[1], int(np.iinfo(dtype).max)
    assert Facts(image=image).sums == [((pixels - 1) * high + 1, (pixels - 1) * high**2 + 1)] * shape[2]


def test_counts_above_the_precision_of_opencv_are_exact():
    image = np.zeros((4097, 4097, 1), np.uint8)
    assert Facts(image=image).counts[0, 0] == 4097**2


@pytest.mark.parametrize("spread", [1, 1e-3])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 20), max_size=5), order=st.permutations(range(20)))
def test_moments_of_floats_keep_ten_digits_a_million_spreads_from_zero(spread, cuts, order):
    rng = np.random.default_rng(2)
    images = [rng.normal((1e6 + number % 5) * spread, spread, (6, 7, 2)) for number in range(20)]
    total = Moments()
    for start, stop in pairwise([0, *sorted(cuts), 20]):
        total.merge(counted(total, [{"image": images[place]} for place in order[start:stop]]))
    pixels = np.concatenate([image.reshape(-1, 2) for image in images])
    np.testing.assert_allclose(total.result().mean, pixels.mean(0), rtol=1e-10)
    np.testing.assert_allclose(total.result().std, pixels.std(0), rtol=1e-10)


def test_moments_equal_those_of_sklearn_one_batch_at_a_time():
    scaler = StandardScaler()
    images = [image[..., None] for image in load_digits().images[:200]]
    for image in images:
        scaler.partial_fit(image.reshape(-1, 1))
    found = counted(Moments(), [{"image": image} for image in images]).result()
    np.testing.assert_allclose([found.mean, found.std], [scaler.mean_, np.sqrt(scaler.var_)], rtol=1e-12)
    exact = counted(Moments(), [{"image": image.astype(np.uint8)} for image in images]).result()
    np.testing.assert_allclose([exact.mean, exact.std], [found.mean, found.std], rtol=1e-12)


def test_std_is_that_of_all_pixels_and_not_the_mean_of_those_of_images():
    images = [np.full((4, 4, 1), value, np.uint8) for value in (10, 20)]
    assert counted(Moments(), [{"image": image} for image in images]).result().std == 5


def test_moments_leave_out_what_is_not_finite():
    image = np.array([[1, np.nan, 3], [np.inf, 5, 7]])[..., None].repeat(2, -1)
    image[..., 1] = np.nan
    found = counted(Moments(), [{"image": image}, {"image": np.full((1, 1, 2), 4.0)}]).result()
    assert found.count.tolist() == [5, 1] and found.mean.tolist() == [4, 4] and found.std.tolist() == [2, 0]


@pytest.mark.parametrize("other", [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2, 3))])
def test_images_of_other_kinds_are_refused_and_change_nothing(other):
    moments = counted(Moments(), [{"image": PHOTO}])
    before = plain(moments.result())
    with pytest.raises(DataError, match="3 of uint8; all images must have the same"):
        moments.add({"image": other})
    with pytest.raises(DataError, match="all images must have the same"):
        moments.merge(counted(Moments(), [{"image": other}]))
    assert plain(moments.result()) == before


@pytest.mark.parametrize("image", [PHOTO[..., 0], PHOTO.astype(np.int32), PHOTO[:0]], ids=["2d", "int32", "empty"])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(DataError, match=r"its image is \(.*; expected \(H, W, C\) of uint8, uint16 or floats"):
        Moments().add({"image": image})


@pytest.mark.parametrize("scale", [1, 200])
def test_quantiles_are_those_of_all_pixels(scale):
    image = PHOTO[::-1, ::3].astype(np.uint16) * scale if scale > 1 else PHOTO[::-1, ::3]
    found = counted(Histogram(probabilities=(0, 0.01, 0.3, 0.995)), [{"image": image[:100]}, {"image": image[100:]}])
    pixels = image.reshape(-1, 3)
    assert found.counts.tolist() == [np.bincount(row, minlength=found.counts.shape[1]).tolist() for row in pixels.T]
    result = found.result()
    for probability, values in result.quantiles.items():
        np.testing.assert_allclose(values, np.quantile(pixels, probability, axis=0), rtol=1e-14)
    assert np.array_equal([result.minimum, result.maximum], [pixels.min(0), pixels.max(0)])


def test_histograms_of_floats_or_mixed_depths_are_refused():
    with pytest.raises(DataError, match="its image is of float64; expected uint8 or uint16"):
        Histogram().add({"image": PHOTO / 255})
    with pytest.raises(DataError, match="3 channels of 65536 values, those before have 3 of 256"):
        counted(Histogram(), [{"image": PHOTO}, {"image": PHOTO.astype(np.uint16)}])
    with pytest.raises(FieldError, match="probabilities must be from 0 to 1"):
        Histogram(probabilities=(1.5,))


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 5)), min_size=1, max_size=20))
def test_summaries_are_those_of_the_repeated_values(rows):
    values, counts = zip(*rows, strict=True)
    listed = np.repeat(values, counts)
    found = Summary.of(values, counts)
    expected = np.quantile(listed, list(found.quantiles))
    np.testing.assert_allclose(list(found.quantiles.values()), expected, rtol=1e-12, atol=1e-9)
    assert (found.count, found.minimum, found.maximum) == (len(listed), listed.min(), listed.max())
    np.testing.assert_allclose(found.mean, listed.mean(), rtol=1e-12, atol=1e-9)


def test_only_the_same_kind_and_settings_merge():
    with pytest.raises(ValueError, match=r"Sizes\(\) cannot be merged with Moments\(\)"):
        Sizes().merge(Moments())
    with pytest.raises(ValueError, match=r"num_classes=2\) cannot be merged with .*num_classes=3\)"):
        ClassCounts(of=Target.mask, num_classes=2).merge(ClassCounts(of=Target.mask, num_classes=3))
