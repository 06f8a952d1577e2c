import numpy as np
import pytest

from dltools.cfgutils import DataError
from dltools.data.statistics import anchors
from dltools.data.statistics.kmeans import iou_of_sizes

RNG = np.random.default_rng(0)
TRUE = np.array([[10, 20], [60, 40], [200, 220]])
SIZES = np.concatenate([size * RNG.uniform(0.95, 1.05, (50, 2)) for size in TRUE])


def test_clusters_of_boxes_are_found():
    found, overlap = anchors(SIZES, 3)
    np.testing.assert_allclose(found, TRUE, rtol=0.02)
    assert overlap > 0.93 and overlap == pytest.approx(iou_of_sizes(SIZES, found).max(1).mean())


def test_the_seed_and_not_the_order_decides():
    first, again = anchors(SIZES, 5, seed=3), anchors(RNG.permutation(SIZES), 5, seed=3)
    assert np.array_equal(first[0], again[0]) and first[1] == again[1]


def test_more_anchors_fit_better():
    overlaps = [anchors(RNG.uniform(5, 300, (400, 2)), count)[1] for count in (1, 3, 9)]
    assert overlaps == sorted(overlaps)


def test_as_many_anchors_as_sizes_are_the_sizes():
    found, overlap = anchors([[1, 2], [3, 4], [3, 4], [0, 5]], 2)
    assert found.tolist() == [[1, 2], [3, 4]] and overlap == 1


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_sizes_are_refused(count):
    with pytest.raises(DataError, match=f"{count} anchors need .* there are 2"):
        anchors([[1, 2], [3, 4], [3, 4]], count)
