import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.statistics import ClassCounts, CoOccurrence, Duplicates, NonFinite, Objects, Sizes, Target

PHOTO = np.array(load_sample_image("flower.jpg"))


def counted(accumulator, *samples):
    for each in samples:
        accumulator.add(each)
    return accumulator.result()


def mask(*rows):
    return {"mask": np.array(rows, np.uint8)}


def test_pixels_of_masks_are_counted_without_the_ignored():
    found = counted(ClassCounts(of="mask", num_classes=4), mask([0, 0, 2], [255, 2, 0]), mask([0, 1]))
    assert found.counts.tolist() == [4, 1, 2, 0] and found.images.tolist() == [2, 1, 1, 0]
    assert found.around.tolist() == [7, 2, 5, 0] and found.ignored == 1


def test_objects_are_counted_without_crowds():
    sample = {"labels": np.array([1, 1, 0]), "iscrowd": np.array([False, False, True])}
    found = counted(ClassCounts(of="labels", num_classes=2), sample, {"labels": np.zeros(0, np.int64)})
    assert found.counts.tolist() == [0, 2] and found.images.tolist() == [0, 1] and found.ignored == 1


def test_images_are_counted_by_their_label():
    found = counted(ClassCounts(of="label", num_classes=3), {"label": 2}, {"label": 0}, {"label": 2})
    assert found.counts.tolist() == found.images.tolist() == found.around.tolist() == [1, 0, 2]


WRONG = {
    "id of a mask": ("mask", np.full((2, 2), 3, np.uint8), "its mask has class id 3; ids must be below 3, or 255"),
    "mask of colours": ("mask", np.zeros((2, 2, 3), np.uint8), r"its mask is \(2, 2, 3\) of uint8; expected \(H, W\)"),
    "mask of int64": ("mask", np.zeros((2, 2), np.int64), r"its mask is \(2, 2\) of int64; expected \(H, W\) of uint8"),
    "high label": ("labels", np.array([0, 3]), "its labels has class id 3; ids must be from 0 to 2"),
    "label below 0": ("label", -1, "its label has class id -1; ids must be from 0 to 2"),
    "label of floats": ("label", 1.5, r"its label is \(1,\) of float64; expected integers"),
}


@pytest.mark.parametrize(("key", "value", "message"), WRONG.values(), ids=WRONG.keys())
def test_impossible_classes_are_named_and_count_nothing(key, value, message):
    counts = ClassCounts(of=key, num_classes=3)
    with pytest.raises(DataError, match=message):
        counts.add({key: value})
    assert not counts.totals.any()


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(FieldError, match="num_classes must be at least 1, and at most 255"):
        ClassCounts(of=Target.mask, num_classes=256)
    with pytest.raises(FieldError, match="of must be mask or labels"):
        CoOccurrence(of=Target.label, num_classes=2)


def test_pairs_of_classes_are_counted_once_an_image():
    found = counted(CoOccurrence(of="mask", num_classes=3), mask([0, 0, 1], [1, 1, 255]), mask([0, 2, 2]), mask([255]))
    assert found.tolist() == [[2, 1, 1], [1, 1, 0], [1, 0, 1]]


def test_sizes_are_heights_widths_and_width_over_height():
    found = counted(Sizes(), {"image": PHOTO}, {"image": PHOTO[:, :427]}, {"image": PHOTO[:100, :50]})
    assert (found.height.minimum, found.height.maximum, found.height.quantiles[0.5]) == (100, 427, 427)
    assert found.width.mean == (640 + 427 + 50) / 3
    assert (found.aspect.minimum, found.aspect.maximum) == (0.5, 640 / 427)


def test_objects_are_counted_and_measured():
    boxes = np.array([[0, 0, 10, 20], [5, 5, 9, 6], [0, 0, 99, 99], [np.nan, 0, 1, 1]], np.float32)
    objects = Objects()
    found = counted(
        objects, {"boxes": boxes, "iscrowd": np.array([0, 0, 1, 0], bool)}, {"boxes": np.zeros((0, 4), np.float32)}
    )
    assert (found.per_image.minimum, found.per_image.maximum, found.per_image.count) == (0, 2, 2)
    assert (found.area.minimum, found.area.maximum, found.aspect.minimum) == (4, 200, 0.5)
    assert objects.sizes.tolist() == [[4, 1], [10, 20]]


def test_boxes_that_are_none_are_refused():
    with pytest.raises(DataError, match=r"its boxes are \(3,\); expected \(N, 4\)"):
        Objects().add({"boxes": np.zeros(3)})
    with pytest.raises(DataError, match="it has 2 objects and 1 rows of iscrowd"):
        Objects().add({"boxes": np.zeros((2, 4)), "iscrowd": np.zeros(1, bool)})


def test_a_photograph_in_two_splits_is_found():
    train, val = Duplicates(split="train"), Duplicates(split="val")
    for index, image in enumerate([PHOTO, PHOTO[::-1], PHOTO[:, ::-1], PHOTO[::-1].copy()]):
        train.add({"image": image, "index": index})
    val.add({"image": PHOTO.copy(), "index": 8})
    train.merge(val)
    found = train.result()
    assert found.groups == [[("train", 0), ("val", 8)], [("train", 1), ("train", 3)]]
    assert found.across == [[("train", 0), ("val", 8)]]


@pytest.mark.parametrize("size", [(8, 8), (427, 640)])
def test_images_that_differ_in_one_pixel_shape_or_type_are_no_duplicates(size):
    image = PHOTO[: size[0], : size[1]]
    images = [image, image.reshape(-1, 4, 3), image.astype(np.uint16)]
    for row, column in ((0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2 + 1, 3)):
        images.append(image.copy())
        images[-1][row, column, 1] ^= 128
    found = counted(Duplicates(), *({"image": each, "index": index} for index, each in enumerate(images)))
    assert found.groups == []


def test_numbers_that_are_none_are_counted_where_they_are():
    image = np.zeros((2, 2, 1), np.float32)
    image[0, 0], image[1] = np.nan, np.inf
    keypoints = np.zeros((1, 2, 3), np.float32)
    keypoints[0, 1, 0] = -np.inf
    found = counted(
        NonFinite(),
        {"image": PHOTO, "keypoints": keypoints, "index": 9},
        {"image": image, "boxes": np.full((1, 4), np.nan), "index": 2},
        {"image": np.zeros((2, 2, 1)), "index": 1},
    )
    assert found.nan == {"image": 1, "boxes": 4} and found.infinite == {"image": 2, "keypoints": 1}
    assert found.samples == [2, 9]
