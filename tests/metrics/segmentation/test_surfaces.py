"""Metrics of the borders of masks against all pairs of outline pixels, written out, and against MONAI."""

from __future__ import annotations

import itertools
import math
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, gaussian_filter

from dltools.cfgutils import DataError, FieldError
from dltools.metrics import MetricSet
from dltools.metrics.segmentation import (
    ASSD,
    HD95,
    BoundaryF1,
    BoundaryIoU,
    HausdorffDistance,
    NormalizedSurfaceDice,
)

VOID = 255
C = 4
ALL = [HausdorffDistance, HD95, ASSD, NormalizedSurfaceDice, BoundaryF1, BoundaryIoU]
DISTANCES, SCORES = ALL[:3], ALL[3:]
every = pytest.mark.parametrize("make", ALL)


def blobs(seed, shape=(2, 20, 23), classes=C, sigma=2.5):
    """Two label maps of blobs that mostly agree, (N, *spatial)."""
    rng = np.random.default_rng(seed)
    fields = rng.normal(size=(2, classes, *shape))
    smooth = np.stack([[[gaussian_filter(image, sigma) for image in field] for field in half] for half in fields])
    return (smooth[0] + 0.4 * smooth[1]).argmax(0), smooth[0].argmax(0)


def outline(mask):
    return mask & ~binary_erosion(mask)


def chebyshev_band(mask, width):
    inside = np.pad(mask, 1)
    eroded = binary_erosion(inside, np.ones((3,) * mask.ndim), iterations=width)
    return inside & ~eroded


def nearest(places, others):
    return np.sqrt(((places[:, None] - others[None]) ** 2).sum(-1)).min(1)


def of_a_pair(make, pred, true, spacing, **options):
    """The value of two masks, by its definition."""
    spacing = np.array(spacing)
    diagonal = math.sqrt(((np.array(pred.shape) * spacing) ** 2).sum())
    if not pred.any() and not true.any():
        return math.nan
    if make is BoundaryIoU:
        width = options.get("width", 0.02)
        width = width * diagonal if width < 1 else width
        a, b = (chebyshev_band(mask, max(1, round(width / spacing[0]))) for mask in (pred, true))
        return (a & b).sum() / (a | b).sum()
    if not pred.any() or not true.any():
        return diagonal if make in DISTANCES else 0.0
    p, t = (np.argwhere(outline(mask)) * spacing for mask in (pred, true))
    there, back = nearest(p, t), nearest(t, p)
    if make in (HausdorffDistance, HD95):
        percentile = options.get("percentile", 100 if make is HausdorffDistance else 95)
        return max(np.percentile(there, percentile), np.percentile(back, percentile))
    if make is ASSD:
        return (there.sum() + back.sum()) / (len(there) + len(back))
    tolerance = options.get("tolerance", 1 if make is NormalizedSurfaceDice else 0.0075)
    if make is NormalizedSurfaceDice:
        return ((there <= tolerance).sum() + (back <= tolerance).sum()) / (len(there) + len(back))
    tolerance = tolerance * diagonal if tolerance < 1 else tolerance
    precision, recall = (there <= tolerance).mean(), (back <= tolerance).mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def table(make, pred, true, spacing, first=1, void=VOID, **options):
    """The value of each image and class, (N, C - first)."""
    return np.array(
        [
            [
                of_a_pair(make, (p == c) & (t != void), (t == c) & (t != void), spacing, **options)
                for c in range(first, C)
            ]
            for p, t in zip(pred, true, strict=True)
        ]
    )


def means(values):
    """The mean over images by class, and over classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        by_class = np.nanmean(values, 0)
        return np.nanmean(by_class), by_class


def measured(metric, *pairs):
    for pred, true in pairs:
        metric.update(torch.as_tensor(np.array(pred)), torch.as_tensor(np.array(true)))
    return metric.compute()


def check(make, pred, true, spacing=None, background=False, **options):
    first = 0 if background else 1
    metric = make(
        num_classes=C,
        ignore_index=VOID,
        spacing=spacing,
        include_background=background,
        per_class=True,
        **options,
    )
    found = measured(metric, (pred, true))
    overall, by_class = means(table(make, pred, true, spacing or (1,) * (pred.ndim - 1), first, **options))
    assert list(found) == [make.name, *(f"{make.name}/{c}" for c in range(first, C))]
    for value, expected in zip(found.values(), [overall, *by_class], strict=True):
        assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@every
@given(seed=st.integers(0, 10_000), background=st.booleans(), void=st.booleans())
def test_it_is_what_all_pairs_of_outline_pixels_give(make, seed, background, void):
    pred, true = blobs(seed)
    if void:
        true[blobs(seed + 1)[0] == 0] = VOID
    check(make, pred, true, background=background)


@every
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((2, 17, 15), [0.5, 0.5]), ((1, 9, 11, 10), None), ((1, 40), None), ((1, 1, 13), [2.0, 2.0])],
    ids=["spacing", "volume", "line", "one row"],
)
def test_it_is_that_in_any_dimension_and_unit(make, shape, spacing):
    check(make, *blobs(1, shape), spacing=spacing)


@pytest.mark.parametrize("make", [*DISTANCES, NormalizedSurfaceDice, BoundaryF1])
@pytest.mark.parametrize(
    ("shape", "spacing"), [((2, 17, 15), [0.7, 3.0]), ((1, 6, 11, 12), [3.0, 1.0, 0.8])], ids=["image", "volume"]
)
def test_pixels_need_not_be_square(make, shape, spacing):
    check(make, *blobs(2, shape), spacing=spacing)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (HausdorffDistance, {"percentile": 50.0}),
        (HD95, {"percentile": 90.0}),
        (NormalizedSurfaceDice, {"tolerance": 0.0}),
        (NormalizedSurfaceDice, {"tolerance": 2.5}),
        (BoundaryF1, {"tolerance": 2.0}),
        (BoundaryF1, {"tolerance": 0.1}),
        (BoundaryIoU, {"width": 3.0}),
        (BoundaryIoU, {"width": 0.1}),
    ],
)
def test_its_options_do_what_they_say(make, options):
    check(make, *blobs(3), **options)


def test_a_tolerance_can_be_given_for_each_class():
    pred, true = blobs(4)
    tolerances = [0.0, 0.0, 1.0, 3.0]
    metric = NormalizedSurfaceDice(num_classes=C, tolerances=tolerances, per_class=True)
    found = measured(metric, (pred, true))
    for c in range(1, C):
        one = measured(NormalizedSurfaceDice(num_classes=C, tolerance=tolerances[c], per_class=True), (pred, true))
        assert found[f"nsd/{c}"] == one[f"nsd/{c}"]
    for wrong in ([1.0], [1.0, 1.0, 1.0, -1.0]):
        with pytest.raises(FieldError, match="tolerances must be num_classes = 4 numbers of 0 or more"):
            NormalizedSurfaceDice(num_classes=C, tolerances=wrong)


@pytest.mark.parametrize("make", [NormalizedSurfaceDice, BoundaryF1])
@pytest.mark.parametrize("start", range(0, 40, 7))
def test_what_is_exactly_at_the_tolerance_is_near_wherever_it_lies(make, start):
    """Three steps of a pixel of 0.1 are 0.30000000000000004."""
    pred, true = np.zeros((2, 1, 1, 60), int)
    pred[0, 0, start + 3], true[0, 0, start] = 1, 1
    for scale in (1, 10):
        metric = make(num_classes=2, spacing=[0.1 * scale] * 2, tolerance=0.3 * scale)
        assert measured(metric, (pred, true)) == 1


def test_the_bands_of_boundary_iou_have_the_width_along_each_axis():
    """Pixels of 1 by 4, a width of 4: four pixels along the first axis, one along the second."""
    true = np.zeros((1, 30, 30), int)
    true[0, 5:25, 5:25] = 1
    pred = true.copy()
    pred[0, 9:21, 6:24] = 0  # the band itself
    metric = BoundaryIoU(num_classes=2, width=4.0, spacing=[1.0, 4.0])
    assert measured(metric, (pred, true)) == 1
    pred[0, 8, 6] = 0
    metric.reset()
    assert measured(metric, (pred, true)) < 1


@pytest.mark.parametrize("shape", [(2, 32, 30), (1, 12, 14, 13)], ids=["image", "volume"])
@pytest.mark.parametrize("spacing", [None, 0.5], ids=["pixels", "spacing"])
def test_where_both_masks_are_there_it_is_that_of_monai(shape, spacing):
    metrics = pytest.importorskip("monai.metrics")
    pred, true = blobs(6, shape)
    given = [torch.nn.functional.one_hot(torch.from_numpy(ids), C).movedim(-1, 1) for ids in (pred, true)]
    oracles = {
        HausdorffDistance(num_classes=C): lambda: metrics.compute_hausdorff_distance(*given, spacing=spacing),
        HD95(num_classes=C): lambda: metrics.compute_hausdorff_distance(*given, spacing=spacing, percentile=95),
        ASSD(num_classes=C): lambda: metrics.compute_average_surface_distance(*given, spacing=spacing, symmetric=True),
        NormalizedSurfaceDice(num_classes=C): lambda: metrics.compute_surface_dice(*given, [1.0] * 3, spacing=spacing),
    }
    for metric, oracle in oracles.items():
        ours = type(metric)(num_classes=C, spacing=None if spacing is None else [spacing] * (len(shape) - 1))
        measured(ours, (pred, true))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = oracle()
        found = ours.state.values(ours.measure())[:, 1:]
        assert found.isfinite().all()
        torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", DISTANCES)
def test_03_a_missed_object_is_the_image_diagonal_away(make):
    _, true = blobs(7)
    for spacing in (None, [0.5, 2.0]):
        diagonal = math.hypot(*(size * step for size, step in zip((20, 23), spacing or (1, 1), strict=True)))
        metric = make(num_classes=C, spacing=spacing)
        assert measured(metric, (np.zeros_like(true), true)).item() == pytest.approx(diagonal, rel=1e-12)
        metric.reset()
        assert measured(metric, (true, np.zeros_like(true))).item() == pytest.approx(diagonal, rel=1e-12)


@every
def test_03_missing_more_objects_never_improves_the_mean(make):
    pred, true = blobs(8, (4, 20, 23))
    worse = 1 if make in DISTANCES else -1
    before = None
    for image in range(5):
        pred[:image] = 0
        value = worse * measured(make(num_classes=C), (pred, true)).item()
        assert before is None or value >= before
        before = value


@pytest.mark.parametrize("make", SCORES)
def test_04_an_object_that_is_missed_or_invented_scores_zero(make):
    _, true = blobs(9)
    nothing = np.zeros_like(true)
    assert measured(make(num_classes=C), (nothing, true)) == 0
    assert measured(make(num_classes=C), (true, nothing)) == 0


@every
def test_04_what_is_neither_predicted_nor_true_is_left_out(make):
    pred, true = blobs(10)
    pred[pred == 3], true[true == 3] = 0, 0
    value = measured(make(num_classes=C, per_class=True), (pred, true))
    assert value[f"{make.name}/3"].isnan()
    assert value[make.name].item() == pytest.approx(
        (value[f"{make.name}/1"].item() + value[f"{make.name}/2"].item()) / 2, rel=1e-15
    )
    padded = [np.concatenate([ids, np.zeros_like(ids)]) for ids in (pred, true)]
    assert measured(make(num_classes=C), padded) == value[make.name]


def test_05_a_mask_ends_at_the_border_of_the_image():
    """A mask of the whole 10 x 10 image has an outline of 36 pixels, whose corners are sqrt(2) from one a pixel in."""
    inset = np.zeros((1, 10, 10), int)
    inset[:, 1:-1, 1:-1] = 1
    full = np.ones_like(inset)
    assert measured(HausdorffDistance(num_classes=2), (full, inset)).item() == pytest.approx(math.sqrt(2))
    assert measured(NormalizedSurfaceDice(num_classes=2), (full, inset)).item() == pytest.approx((32 + 28) / (36 + 28))
    assert measured(BoundaryIoU(num_classes=2), (full, inset)) == 0
    assert measured(HausdorffDistance(num_classes=2), (full, full)) == 0


def test_06_the_average_distance_runs_over_both_outlines_together():
    """A line of 3 pixels against one of 9: distances 0, 0, 0 one way and 3, 2, 1, 0, 0, 0, 1, 2, 3 the other."""
    pred, true = np.zeros((2, 1, 3, 11), int)
    pred[0, 1, 4:7] = true[0, 1, 1:10] = 1
    assert measured(ASSD(num_classes=2), (pred, true)).item() == pytest.approx(12 / 12)
    assert measured(ASSD(num_classes=2), (true, pred)).item() == pytest.approx(12 / 12)
    assert (0 + 12 / 9) / 2 != 12 / 12  # the mean of both directions' means


def test_07_the_percentile_is_of_outline_pixels_and_not_of_all_of_the_mask():
    """Of two large squares, one with a spur of 12 pixels, all pixels inside would drown the spur."""
    true = np.zeros((1, 60, 60), int)
    true[0, 20:40, 10:30] = 1
    pred = true.copy()
    pred[0, 30, 30:42] = 1
    found = measured(HD95(num_classes=2), (pred, true)).item()
    p, t = (np.argwhere(outline(mask[0] == 1)) for mask in (pred, true))
    assert found == pytest.approx(np.percentile(nearest(p, t), 95))
    assert found > 5
    assert np.percentile(nearest(np.argwhere(pred[0]), np.argwhere(true[0])), 95) == 0


def test_07_the_percentile_is_taken_of_each_direction_before_the_larger_counts():
    pred, true = np.zeros((2, 1, 3, 40), int)
    pred[0, 1, :2] = true[0, 1, :40] = 1
    assert measured(HausdorffDistance(num_classes=2, percentile=50), (pred, true)).item() == 18.5
    assert measured(HausdorffDistance(num_classes=2, percentile=50), (true, pred)).item() == 18.5


@every
def test_the_same_masks_are_perfect(make):
    _, true = blobs(11)
    true[0, :, :4] = VOID
    pred = np.where(true == VOID, 2, true)
    metric = make(num_classes=C, ignore_index=VOID, include_background=True)
    assert measured(metric, (pred, true)) == (0 if make in DISTANCES else 1)
    assert metric.higher_is_better is (make not in DISTANCES)


@every
def test_a_single_pixel_is_a_mask(make):
    pred, true = np.zeros((2, 1, 9, 9), int)
    pred[0, 2, 2], true[0, 5, 6] = 1, 1
    expected = 5 if make in DISTANCES else 0
    assert measured(make(num_classes=2), (pred, true)) == expected


@every
def test_where_all_is_ignored_or_there_is_no_image_nothing_is_defined(make):
    nothing, void = np.zeros((1, 5, 6), int), np.full((1, 5, 6), VOID)
    for pairs in ([], [(nothing[:0], nothing[:0])], [(nothing, void)], [(nothing + 1, void)], [(nothing, nothing)]):
        values = measured(make(num_classes=C, ignore_index=VOID, per_class=True), *pairs)
        assert len(values) == C
        assert all(value.isnan() for value in values.values())


@every
def test_predictions_on_ignored_pixels_do_not_matter(make):
    pred, true = blobs(12)
    true[:, 5:9] = VOID
    other = pred.copy()
    other[:, 5:9] = 3
    options = {"num_classes": C, "ignore_index": VOID}
    assert measured(make(**options), (pred, true)) == measured(make(**options), (other, true))


@every
def test_an_ignored_class_within_the_range_has_no_value(make):
    values = measured(make(num_classes=C, ignore_index=2, per_class=True), blobs(13))
    assert list(values) == [make.name, f"{make.name}/1", f"{make.name}/3"]


@every
def test_logits_count_as_the_class_of_the_highest(make):
    pred, true = blobs(14)
    logits = torch.nn.functional.one_hot(torch.from_numpy(pred), C).movedim(-1, 1).float()
    metric = make(num_classes=C)
    metric.update(logits, torch.from_numpy(true)[:, None].to(torch.uint8))
    assert metric.compute() == measured(make(num_classes=C), (pred, true))


@every
@given(order=st.permutations(range(5)), cut=st.integers(0, 5))
def test_neither_the_split_into_batches_nor_the_order_of_images_matters(make, order, cut):
    pred, true = blobs(15, (5, 12, 13))
    order = list(order)
    parts = [(pred[part], true[part]) for part in (order[:cut], order[cut:])]
    assert measured(make(num_classes=C), *parts) == measured(make(num_classes=C), (pred, true))


def test_a_set_of_them_makes_one_pass_and_gives_what_each_gives_alone(monkeypatch):
    from dltools.metrics.segmentation import outlines

    trees, nearest = [], outlines._nearest
    monkeypatch.setattr(outlines, "_nearest", lambda *sides: trees.append(1) or nearest(*sides))
    pred, true = blobs(16)
    makes = {make.name: (make, {}) for make in ALL} | {"near": (NormalizedSurfaceDice, {"tolerance": 3.0})}
    together = MetricSet({name: make(num_classes=C, **options) for name, (make, options) in makes.items()})
    together.update({"classes": (torch.from_numpy(pred), torch.from_numpy(true))})
    assert len({metric.state for metric in together.metrics.values()}) == 1
    assert len(trees) == 2 * 2 * (C - 1)
    values = together.compute().scalars
    assert list(values) == list(together.expected()) == list(makes)
    for name, (make, options) in makes.items():
        assert values[name] == measured(make(num_classes=C, **options), (pred, true)).item()


def test_what_differs_in_an_option_is_measured_apart():
    pred, true = blobs(17)
    options = [{}, {"spacing": [2.0, 2.0]}, {"include_background": True}, {"ignore_index": 3}]
    together = MetricSet({str(i): HausdorffDistance(num_classes=C, **given) for i, given in enumerate(options)})
    together.update({"classes": (torch.from_numpy(pred), torch.from_numpy(true))})
    values = together.compute().scalars
    for (i, one), (j, other) in itertools.combinations(enumerate(together.metrics.values()), 2):
        assert one.state is not other.state, (i, j)
    assert values["1"] == pytest.approx(2 * values["0"])


@every
def test_ids_out_of_range_are_named(make):
    pred, true = blobs(18)
    for place, wrong in itertools.product((0, 1), (C, -1, 300)):
        pair = [pred.copy(), true.copy()]
        pair[place][0, 0, 0] = wrong
        with pytest.raises(
            DataError, match=rf"class ids must be in 0\.\.3 .*, got {wrong} in {('preds', 'target')[place]}"
        ):
            measured(make(num_classes=C, ignore_index=VOID), pair)


def test_options_and_shapes_that_do_not_fit_are_told():
    with pytest.raises(FieldError, match="num_classes must be given"):
        HD95()
    with pytest.raises(FieldError, match="num_classes must be at least 2, got 1"):
        HD95(num_classes=1)
    for wrong in ([1.0, 0.0], [1.0, math.inf]):
        with pytest.raises(FieldError, match="spacing must be positive numbers"):
            HD95(num_classes=2, spacing=wrong)
    with pytest.raises(FieldError, match="percentile must be greater than 0"):
        HausdorffDistance(num_classes=2, percentile=0)
    with pytest.raises(ValueError, match=r"spacing must have one value for each of 2 spatial dimensions, got \[1\.0\]"):
        measured(HD95(num_classes=C, spacing=[1.0]), blobs(0))
    with pytest.raises(ValueError, match=r"masks must be \(N, \*spatial\), got \(3,\)"):
        measured(HD95(num_classes=C), ([0, 1, 2], [0, 1, 2]))


def test_a_metric_that_nobody_reads_imports_no_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    metric = HD95(num_classes=C)
    assert metric.compute().isnan()
    with pytest.raises(ImportError):
        measured(metric, blobs(0))
