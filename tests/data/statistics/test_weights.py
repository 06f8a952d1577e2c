import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from dltools.cfgutils import DataError
from dltools.data.statistics import Scheme, class_weights, pos_weight, prior_bias, sample_weights

PIXELS = np.array([9e6, 9e5, 9e4, 9e3])
SHARE = PIXELS / PIXELS.sum()
NONE = 1e12


def around(scheme, counts):
    return np.full(len(counts), np.sum(counts)) if scheme is Scheme.median_frequency else None


@pytest.mark.parametrize("scheme", Scheme)
@given(counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=9).filter(any))
def test_the_expectation_is_one_and_no_weight_is_beyond_the_cap(scheme, counts):
    weights = class_weights(counts, scheme, around=around(scheme, counts), max_ratio=20)
    there = np.array(counts) > 0
    assert weights @ counts / np.sum(counts) == pytest.approx(1)
    assert weights[there].max() <= weights[there].min() * 20 * (1 + 1e-9) and not weights[~there].any()
    assert (np.diff(weights[there][np.argsort(np.array(counts)[there])]) <= 1e-9 * weights.max()).all()


def test_inverse_weights_are_those_of_sklearn():
    labels = np.repeat([0, 1, 2], [5, 3, 9])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights([5, 3, 9]), expected)
    np.testing.assert_allclose(sample_weights(labels), expected[labels])


FORMULAS = {
    Scheme.inverse: (1 / SHARE, 1000),
    Scheme.sqrt_inverse: (1 / np.sqrt(SHARE), np.sqrt(1000)),
    Scheme.median_frequency: (np.median(SHARE) / SHARE, 1000),
    Scheme.enet: (1 / np.log(1.02 + SHARE), 31.5),
    Scheme.effective_number: ((1 - 1e-7) / (1 - (1 - 1 / PIXELS.sum()) ** PIXELS), 660),
}


@pytest.mark.parametrize("scheme", Scheme)
def test_pixels_of_four_classes_weigh_as_the_formulas_say(scheme):
    expected, ratio = FORMULAS[scheme]
    found = class_weights(PIXELS, scheme, around=around(scheme, PIXELS), max_ratio=NONE)
    np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-6)
    assert found.max() / found.min() == pytest.approx(ratio, rel=0.05)


def test_plain_enet_weights_would_scale_the_loss():
    assert SHARE @ FORMULAS[Scheme.enet][0] == pytest.approx(2.60, abs=0.01)
    assert SHARE @ class_weights(PIXELS, "enet") == pytest.approx(1)


def test_effective_numbers_of_a_fixed_beta_saturate_on_pixels_and_the_default_does_not():
    fixed = class_weights(PIXELS, "effective_number", beta=0.9999)
    assert fixed.max() / fixed.min() == pytest.approx(1.7, abs=0.05)
    default = class_weights(PIXELS, "effective_number", max_ratio=NONE)
    assert default.max() / default.min() > 500
    assert class_weights([1], "effective_number").tolist() == [1]


def test_median_frequency_divides_by_the_images_that_have_a_class():
    weights = class_weights([60, 20, 20], "median_frequency", around=[100, 40, 80])
    np.testing.assert_allclose(weights / weights[1], [0.5 / 0.6, 1, 2])


def test_capped_and_absent_classes_are_named(caplog):
    weights = class_weights([9000, 0, 900, 9], names=["sky", "unicorn", "tree", "bird"])
    assert weights[1] == 0 and weights[3] / weights[0] == pytest.approx(50)
    assert [record.getMessage() for record in caplog.records] == [
        "Classes unicorn never occur; their weight is 0.",
        "Classes bird would weigh more than 50 times the least and are capped there.",
    ]


WRONG = {
    "nothing": ({"counts": [0, 0]}, DataError, "counts are all 0"),
    "negative": ({"counts": [1, -1]}, ValueError, r"counts must be \(C,\) and not negative"),
    "scheme": ({"counts": [1], "scheme": "linear"}, ValueError, "'linear' is not a valid Scheme"),
    "no around": ({"counts": [1], "scheme": "median_frequency"}, ValueError, "around must be given for median_freq"),
    "needless around": ({"counts": [1], "around": [1]}, ValueError, "and for no other scheme"),
    "needless beta": ({"counts": [1], "beta": 0.9}, ValueError, "for effective_number alone; got 0.9 for inverse"),
    "beta of one": ({"counts": [1], "scheme": "effective_number", "beta": 1}, ValueError, "beta must be from 0 to be"),
    "ratio": ({"counts": [1], "max_ratio": 0.5}, ValueError, "max_ratio must be at least 1"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_means_nothing_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        class_weights(**arguments)


def test_positives_weigh_as_much_as_negatives(caplog):
    assert pos_weight([10, 50, 0], 100).tolist() == [9, 1, 1]
    assert caplog.messages == ["Classes 2 have no positives; their pos_weight is 1."]
    with pytest.raises(DataError, match="from 0 to the number of samples"):
        pos_weight([3], 2)


def test_prior_bias_is_the_logit_of_the_prior():
    assert prior_bias(0.01) == pytest.approx(-4.59512, abs=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-prior_bias([0.3, 0.9]))), [0.3, 0.9])
    with pytest.raises(ValueError, match="above 0 and below 1"):
        prior_bias([0.5, 0])


def test_a_sampler_with_sample_weights_draws_all_classes_equally():
    labels = np.array([7, 7, 7, 2])
    weights = sample_weights(labels)
    assert weights[:3].sum() == pytest.approx(weights[3]) and weights.mean() == pytest.approx(1)
    with pytest.raises(DataError, match="labels must be class ids from 0"):
        sample_weights([])
