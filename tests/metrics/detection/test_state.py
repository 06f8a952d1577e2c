"""What is kept of detected objects: order, duplicates, ranks, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle

from dltools.cfgutils import DataError
from dltools.metrics import MetricSet, Rows
from dltools.metrics.detection import DetectionF1, Detections, MeanAveragePrecision, OKSAveragePrecision
from dltools.metrics.detection.masks import MaskRows, run_table
from dltools.metrics.detection.objects import read_objects

KINDS = ("boxes", "masks", "keypoints")
EMPTY = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}
ONE = {"boxes": torch.tensor([[10.0, 10, 30, 30]]), "scores": torch.ones(1), "labels": torch.tensor([1])}
POSE = {"keypoints": torch.arange(1.0, 16).view(1, 5, 3), "scores": torch.ones(1), "area": torch.ones(1)}
MASK = {"masks": torch.ones(1, 6, 8, dtype=torch.bool), "scores": torch.ones(1), "labels": torch.zeros(1)}


def metrics(kind):
    return MetricSet({"map": MeanAveragePrecision(iou_type=kind), "f1": DetectionF1(iou_type=kind)})


def measured(kind, *batches):
    together = metrics(kind)
    for preds, target in batches:
        together.update({"boxes": (preds, target)})
    results = together.compute()
    return {**results.scalars, "curve": results.tables["f1_curve"].values.tolist()}


def same(found, expected):
    """Equal to the last bit, NaN included."""
    return repr(found) == repr(expected)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(KINDS), data=st.data())
def test_with_ids_neither_order_nor_split_of_the_batches_matters(coco, seed, kind, data):
    preds, target = coco.scene(seed, kind, images=5, extras=True)
    order = data.draw(st.permutations(range(5)))
    cut = data.draw(st.integers(0, 5))
    batches = [([preds[i] for i in part], [target[i] for i in part]) for part in (order[:cut], order[cut:])]
    assert same(measured(kind, *batches), measured(kind, (preds, target)))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(KINDS), cut=st.integers(1, 5))
def test_without_ids_the_split_does_not_matter(coco, seed, kind, cut):
    preds, target = coco.scene(seed, kind)
    batches = (preds[:cut], target[:cut]), (preds[cut:], target[cut:])
    assert same(measured(kind, *batches), measured(kind, (preds, target)))


@pytest.mark.parametrize("kind", KINDS)
def test_20_an_image_that_comes_again_counts_once(coco, kind):
    preds, target = coco.scene(4, kind, extras=True)
    again = preds + preds[1:3], target + target[1:3]
    assert same(measured(kind, again), measured(kind, (preds, target)))
    assert same(measured(kind, (preds, target), (preds[:2], target[:2])), measured(kind, (preds, target)))


def test_images_without_an_id_are_all_different():
    assert read(ONE, ONE).images == 2
    numbered = ONE | {"image_id": 7}
    assert read(numbered, ONE, numbered, ONE | {"image_id": torch.tensor([2])}).images == 3


def test_ids_may_be_numbers_or_tensors():
    places = read(*(ONE | {"image_id": number} for number in (9, torch.tensor(3), torch.tensor([5])))).true.image
    assert places.tolist() == [0, 1, 2]


def read(*target):
    metric = MeanAveragePrecision()
    for image in target:
        metric.update([ONE], [image])
    return read_objects(metric.state)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_dict_keeps_everything(coco, kind):
    preds, target = coco.scene(6, kind, extras=True)
    together, other = metrics(kind), metrics(kind)
    together.update({"boxes": (preds[:4], target[:4])})
    other.load_state_dict(copy.deepcopy(together.state_dict()))
    other.update({"boxes": (preds[4:], target[4:])})
    assert same(other.compute().scalars, {k: v for k, v in measured(kind, (preds, target)).items() if k != "curve"})
    other.reset()
    assert other.compute().scalars["map"] != other.compute().scalars["map"]


def test_coordinates_are_doubled_before_anything_is_subtracted():
    boxes = torch.tensor([[1e5, 1e5, 1e5 + 20.3, 1e5 + 20.7]])
    objects = read(ONE | {"boxes": boxes})
    assert objects.true.area.item() == (boxes.double()[0, 2:] - 1e5).prod().item()


def test_half_precision_and_empty_lists_are_taken():
    half = ONE | {"boxes": ONE["boxes"].half(), "scores": ONE["scores"].half()}
    bare = EMPTY | {"boxes": torch.tensor([])}
    metric = MeanAveragePrecision(num_classes=4)
    metric.update([half, bare], [ONE, bare])
    metric.update([], [])
    assert metric.compute()["map"].item() == pytest.approx(1)


def test_some_images_may_say_their_areas():
    target = [ONE | {"area": torch.tensor([5000.0])}, ONE]
    metric = MeanAveragePrecision()
    metric.update([ONE, ONE], target)
    assert read_objects(metric.state).true.area.tolist() == [5000, 400]


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), height=st.integers(1, 9), width=st.integers(1, 9), number=st.integers(1, 4))
def test_masks_become_the_run_lengths_of_coco(seed, height, width, number):
    rng = np.random.default_rng(seed)
    masks = rng.random((number, height, width)) < rng.choice([0, 0.1, 0.5, 1], (number, 1, 1))
    table = run_table([torch.from_numpy(masks[:1]), torch.from_numpy(masks[1:].astype(np.uint8))])
    rows = MaskRows()
    rows.add(table)
    for mask, runs in zip(masks, rows.read(), strict=True):
        encoded = rle.frPyObjects({"size": [height, width], "counts": runs.lengths}, height, width)
        assert encoded == rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert table.areas().tolist() == masks.sum((1, 2)).tolist()


@pytest.mark.parametrize(
    ("kind", "preds", "target", "message"),
    [
        ("boxes", [ONE], [], "preds and target must be of the same images, got 1 and 0"),
        (
            "boxes",
            [ONE | {"boxes": torch.rand(1, 5)}],
            [ONE],
            r"boxes must be \(n, 4\), got \(1, 5\) in preds of image",
        ),
        ("boxes", [ONE | {"scores": torch.rand(2)}], [ONE], r"scores must be \(1,\) .* got \(2,\) in preds of image 0"),
        ("boxes", [EMPTY | {"scores": torch.rand(2)}], [ONE], r"scores must be \(0,\) as there are boxes, got \(2,\)"),
        ("boxes", [ONE], [{"boxes": ONE["boxes"]}], "labels is missing beside the boxes in target of image 0"),
        ("boxes", [MASK], [MASK], "boxes is missing in preds of image 0"),
        ("masks", [ONE], [ONE], "masks is missing in preds of image 0"),
        ("masks", [MASK | {"masks": MASK["masks"][0]}], [MASK], r"masks must be \(n, \*, \*\), got \(6, 8\)"),
        ("masks", [MASK | {"masks": MASK["masks"].mT}], [MASK], r"one size, got \(8, 6\) and \(6, 8\)"),
        (
            "keypoints",
            [POSE],
            [POSE | {"keypoints": torch.rand(1, 6, 3)}],
            r"be \(n, 5, 3\), got \(1, 6, 3\)",
        ),
        (
            "keypoints",
            [POSE],
            [POSE | {"keypoints": torch.rand(1, 5, 2)}],
            r"be \(n, 5, 3\), got \(1, 5, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_kept(kind, preds, target, message):
    metric = MeanAveragePrecision(iou_type=kind)
    with pytest.raises(ValueError, match=message):
        metric.update(preds, target)
    assert sum(len(table) for table in metric.state.modules() if isinstance(table, Rows)) == 0


def test_the_number_of_points_stays_the_same():
    metric = OKSAveragePrecision()
    metric.update([POSE], [POSE])
    other = POSE | {"keypoints": torch.rand(1, 6, 3)}
    with pytest.raises(ValueError, match=r"keypoints must be \(n, 5, \*\), got \(1, 6, 3\) in preds of image 1"):
        metric.update([other], [other])
    with pytest.raises(ValueError, match=r"keypoints must be \(n, 6, \*\), got \(1, 5, 3\)"):
        OKSAveragePrecision(num_keypoints=6).update([POSE], [POSE])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("side", "wrong", "message"),
    [
        ("preds", {"scores": torch.tensor([NAN])}, "values must be finite in preds of image 2"),
        ("preds", {"boxes": torch.tensor([[0, 0, INF, 1]])}, "values must be finite in preds of image 2"),
        ("target", {"area": torch.tensor([NAN])}, "values must be finite in target of image 2"),
        ("target", {"area": torch.tensor([-1.0])}, "area must be at least 0, got -1 in target of image 2"),
        ("preds", {"labels": torch.tensor([4])}, r"labels must be in 0\.\.3 \(4 classes\), got 4 in preds of image 2"),
        (
            "target",
            {"labels": torch.tensor([-1])},
            r"labels must be in 0\.\.3 \(4 classes\), got -1 in target",
        ),
        ("target", {"labels": torch.tensor([0.5])}, "labels must be whole numbers, got 0.5 in target of image 2"),
    ],
)
def test_values_that_cannot_be_are_named_with_their_image(side, wrong, message):
    metric = MeanAveragePrecision(num_classes=4)
    two = {key: torch.cat([value, value]) for key, value in ONE.items()}
    metric.update([two], [EMPTY])
    images = {"preds": [EMPTY, ONE], "target": [two, ONE]}
    images[side] = [images[side][0], ONE | wrong]
    with pytest.raises(DataError, match=message):
        metric.update(images["preds"], images["target"])
    assert len(metric.state.images) == 1


def test_poses_must_be_finite_where_they_are_read():
    wrong = POSE | {"keypoints": torch.full((1, 5, 3), NAN)}
    with pytest.raises(DataError, match="values must be finite in preds of image 0"):
        OKSAveragePrecision().update([wrong], [POSE])
    with pytest.raises(DataError, match="area must be above 0, got 0 in target of image 0"):
        OKSAveragePrecision().update([POSE], [POSE | {"area": torch.zeros(1)}])


@pytest.mark.parametrize("kind", ["boxes", "keypoints"])
def test_a_batch_is_never_waited_for(kind):
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    image = {key: value.to("meta") for key, value in (ONE | POSE | {"image_id": torch.tensor(3)}).items()}
    MeanAveragePrecision(iou_type=kind).update([image, image], [image, image])


def test_what_a_device_kept_is_checked_when_it_is_read(monkeypatch):
    monkeypatch.setattr(Detections, "check", lambda *args: None)
    metric = MeanAveragePrecision(num_classes=1)
    metric.update([ONE], [EMPTY])
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"labels must be in 0\.\.0 \(1 classes\), got 1 in preds of image 0"):
        metric.compute()


def test_metrics_of_boxes_and_of_masks_keep_different_things():
    both = MetricSet({"boxes": MeanAveragePrecision(), "masks": MeanAveragePrecision(iou_type="masks")})
    assert both.metrics["boxes"].state is not both.metrics["masks"].state
