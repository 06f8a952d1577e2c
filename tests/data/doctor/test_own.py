"""Data sets of the user's own, which check nothing by themselves: what they give is judged sample by sample."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.data.base import Provider, Split
from dltools.data.doctor import examine
from dltools.data.doctor.checks import is_blank, of_boxes
from dltools.data.doctor.facts import About
from dltools.data.statistics import Facts


@dataclass(kw_only=True)
class Own(Provider):
    """Samples as they are given."""

    samples: dict
    class_names: list = field(default_factory=lambda: ["cat", "dog"])
    keypoint_names: tuple = ()
    in_channels: int = 3

    def _split(self, name: str) -> Split:
        return Given(self.samples[name])

    def _content(self) -> Iterable[bytes]:
        return ()


class Given(Split):
    def __init__(self, samples) -> None:
        self.samples = samples
        self.opened = [0] * len(samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        self.opened[index] += 1
        sample = self.samples[index]
        if isinstance(sample, Exception):
            raise sample
        return sample


@pytest.fixture
def own(photo):
    """Return a data set of three sound splits, of which the first sample of val is changed as the test says."""

    def make(keypoint_names=(), **changed):
        splits = {}
        for number, name in enumerate(("train", "val", "test")):
            splits[name] = [
                {
                    "image": photo(10 * number + place),
                    "boxes": np.array([[10, 10, 30, 40], [5, 5, 20, 20]], np.float32),
                    "labels": np.array([0, 1]),
                    "index": place,
                }
                for place in range(3)
            ]
            for sample in splits[name] if keypoint_names else ():
                sample["keypoints"] = np.full((2, len(keypoint_names), 3), 7, np.float32)
        splits["val"][0].update(changed)
        return Own(samples=splits, keypoint_names=tuple(keypoint_names))

    return make


BOXES = "boxes are x1, y1, x2, y2"
OF = "of the image of 80 x 60 pixels"
SAMPLES = [
    ({}, []),
    (
        {"boxes": [[np.nan, 1, 2, 3], [5, 5, 20, 20]]},
        [("not_finite", f"box 0, [nan, 1, 2, 3], must be four finite numbers; {BOXES}")],
    ),
    (
        {"boxes": [[5, 5, 20, 20], [9, 5, 9, 20]]},
        [("box", f"box 1, [9, 5, 9, 20], is empty; x1 must be below x2, and y1 below y2; {BOXES}")],
    ),
    (
        {"boxes": [[5, 70, 20, 90], [-9, 5, -1, 20]]},
        [("box", f"box 0, [5, 70, 20, 90], lies outside {OF}; {BOXES} (2 of 2 are so)")],
    ),
    (
        {"boxes": [[5, 5, 20, 20], [5, 5, 20, 60.6]]},
        [("box_partly", f"box 1, [5, 5, 20, 60.6], reaches out {OF}; {BOXES}")],
    ),
    ({"boxes": [[5, 5, 20, 20]]}, [("form", "boxes and labels must have a row for each object, got 1 and 2")]),
    ({"boxes": [5, 5, 20, 20]}, [("form", "its boxes are (4,); expected (N, 4)")]),
    ({"labels": [0, 2]}, [("unknown_class", "its labels has class id 2; ids must be from 0 to 1")]),
    ({"labels": [-1, 0]}, [("unknown_class", "its labels has class id -1; ids must be from 0 to 1")]),
    ({"label": 5}, [("unknown_class", "its label has class id 5; ids must be from 0 to 1")]),
    (
        {"image": np.zeros((60, 80), np.uint8)},
        [("form", "its image is (60, 80) of uint8; expected (H, W, C) of uint8, uint16 or floats")],
    ),
    (
        {"image": None},
        [("form", "its image is () of object; expected (H, W, C) of uint8, uint16 or floats")],
    ),
]


@pytest.mark.parametrize(("changed", "expected"), SAMPLES, ids=[repr(list(row[0].items()))[:60] for row in SAMPLES])
def test_what_is_wrong_with_a_sample_is_found(own, found, changed, expected):
    rows = found(own(**{key: np.array(value) if key != "label" else value for key, value in changed.items()}))
    assert [(row[1], row[4]) for row in rows] == expected
    assert all(row[2:4] == ("val", 0) for row in rows)


def test_a_mask_is_checked_against_its_image_and_its_classes(own, found):
    rows = found(own(mask=np.full((40, 80), 3, np.uint8)))
    assert [row[1:] for row in rows] == [
        ("size", "val", 0, "its mask is 80 x 40 pixels and its image 80 x 60; they must be of one size"),
        ("unknown_class", "val", 0, "its mask has class id 3; ids must be below 3, or 255 to ignore"),
    ]


def test_values_of_an_image_that_are_not_finite_are_an_error(own, found, photo):
    image = photo(90).astype(np.float32)
    image[0, :4, 0] = np.nan, np.inf, -np.inf, np.nan
    rows = found(own(image=image))
    assert [row[:4] for row in rows] == [("error", "channels", "val", 0), ("error", "not_finite", "val", 0)]
    assert rows[0][4] == (
        "its image is the first of 1 of float32; 8 of the data set are of uint8, and all must be of one type"
    )
    assert rows[1][4] == "its image has 4 values that are NaN or infinite; all must be finite"


def test_an_image_of_other_channels_is_an_error(own, found, photo):
    rows = found(own(image=photo(90)[..., :1].copy()))
    message = "its image has 1 channels, but in_channels of the data set is 3"
    assert rows == [("error", "channels", "val", 0, message)]


def test_keypoints_are_checked(own, found):
    keypoints = np.full((2, 2, 3), 7, np.float32)
    keypoints[0, 1] = [90, 10, 2]
    keypoints[1, 1] = [-50, 10, 0]
    message = (
        f"keypoint 'tail' of object 0, [90, 10, 2], lies outside {OF}; its visibility must be 0 if it is not there"
    )
    assert found(own(("nose", "tail"), keypoints=keypoints)) == [("warning", "keypoint_outside", "val", 0, message)]
    keypoints[0, 1, 0] = np.nan
    message = "keypoint 'tail' of object 0, [nan, 10, 2], must be three finite numbers x, y, visibility"
    assert found(own(("nose", "tail"), keypoints=keypoints)) == [("error", "not_finite", "val", 0, message)]
    message = "its keypoints are (2, 1, 3); expected (N, 2, 3)"
    assert found(own(("nose", "tail"), keypoints=keypoints[:, :1])) == [("error", "form", "val", 0, message)]


@pytest.mark.parametrize("sample", [ZeroDivisionError("division by zero"), None], ids=["raises", "none"])
def test_code_that_fails_is_an_error_of_the_sample(own, found, sample):
    data = own()
    data.samples["train"][1] = sample
    [(severity, kind, *place, message)] = found(data)
    assert (severity, kind, *place) == ("error", "failed", "train", 1)
    assert message.startswith("ZeroDivisionError: division by zero (" if sample else "TypeError: ")


def test_more_classes_than_a_mask_has_room_for_are_counted_as_labels(own):
    data = own()
    data.class_names = [str(number) for number in range(300)]
    report = examine(data)
    assert [target.value for target in report.splits["train"].classes] == ["labels"]
    assert {finding.kind.value for finding in report.findings} == {"unused_class"}


def test_an_empty_split_is_missing(own, found):
    data = own()
    data.samples["val"] = []
    assert found(data)[0] == ("error", "missing", "val", None, "the split val has no samples")


def test_each_sample_is_read_once_by_several_threads(own):
    data = own()
    splits = {name: data.split(name) for name in data.samples}
    data._split = splits.get  # type: ignore[assignment]
    examine(data, workers=3)
    assert {name: split.opened for name, split in splits.items()} == {name: [1, 1, 1] for name in splits}


def test_the_number_of_threads_changes_nothing(own, photo):
    data = own(boxes=np.array([[5, 70, 20, 90], [0, 0, 100, 9]]))
    data.samples["train"] = [{**data.samples["train"][0], "image": photo(place % 90 + 200)} for place in range(100)]
    data.samples["train"][40] = ValueError("no")
    one, four = (examine(data, workers=workers) for workers in (1, 4))
    assert one.findings == four.findings and len(one.findings) == 13
    assert one.to_dict() == four.to_dict()


@given(
    boxes=st.lists(
        st.lists(st.sampled_from([-9, -0.4, 0, 3, 50, 80, 80.4, 90, np.nan, np.inf]), min_size=4, max_size=4)
    )
)
def test_boxes_are_sorted_as_one_by_one(boxes):
    def kind(x1, y1, x2, y2):
        if not all(map(math.isfinite, (x1, y1, x2, y2))):
            return "not_finite"
        if x1 >= x2 or y1 >= y2 or x1 >= 80 or y1 >= 80 or x2 <= 0 or y2 <= 0:
            return "box"
        return "box_partly" if min(x1, y1) < -0.5 or max(x2, y2) > 80.5 else "sound"

    sample = Facts(image=np.zeros((80, 80, 3), np.uint8), boxes=np.array(boxes).reshape(-1, 4))
    about = About(class_names=(), mask_names=(), keypoint_names=(), in_channels=3)
    assert {fault[0].value for fault in of_boxes(sample, about)} == {kind(*box) for box in boxes} - {"sound"}


@pytest.mark.parametrize("where", [(0, 0), (0, 5), (4, 5), (4, 0)])
def test_an_image_is_blank_unless_any_pixel_differs(where):
    image = np.full((5, 6, 3), 8, np.uint16)
    assert is_blank(image)
    image[where] = 8, 9, 8
    assert not is_blank(image)
