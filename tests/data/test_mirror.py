"""Keypoints of the two sides, told by their names."""

import pytest

from dltools.data.mirror import swaps_by_name

COCO = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
COCO += "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"


def test_the_pairs_of_coco_are_those_that_every_tool_lists():
    assert swaps_by_name(COCO.split()) == [[place, place + 1] for place in range(1, 17, 2)]


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["r_eye", "nose", "l_eye"], [[0, 2]]),
        (["eye_L", "eye_R"], [[0, 1]]),
        (["LeftEar", "RightEar", "tail"], [[0, 1]]),
        (["ear left", "EAR LEFT", "EAR RIGHT", "ear right"], [[0, 3], [1, 2]]),
        (["left_eye", "nose"], []),
        (["lip", "rip", "collar", "corrar"], []),
        (["0", "1"], []),
        ([], []),
    ],
)
def test_names_that_differ_by_the_side_are_pairs(names, pairs):
    assert swaps_by_name(names) == pairs
