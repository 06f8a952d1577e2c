import pickle

import numpy as np
import pytest

from dltools.cfgutils import DataError
from dltools.data.base import Split
from dltools.data.composed import Chosen, Joined
from dltools.data.concat import Renamed
from dltools.data.digit_scenes import DigitScenes
from dltools.data.instances import InstanceCrops


class OneScene(Split):
    """A ramp whose red tells x and green tells y, with two objects."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        y, x = np.mgrid[:100, :100].astype(np.uint8)
        keypoints = np.array([[[30, 40, 2], [45, 55, 2], [99, 99, 2]], [[80, 20, 2], [75, 25, 0], [78, 22, 2]]])
        return {
            "image": np.stack([2 * x, 2 * y, 0 * x], axis=-1),
            "boxes": np.array([[20, 30, 50, 60], [70, 10, 90, 30]], np.float32),
            "labels": np.array([4, 7]),
            "keypoints": keypoints.astype(np.float32),
            "index": index,
        }


def test_there_is_one_sample_for_each_object():
    scenes = DigitScenes(val_scenes=20).split("val")
    crops = InstanceCrops(scenes)
    assert len(crops) == sum(len(scene["labels"]) for scene in scenes)
    samples = list(crops)
    assert [sample["index"] for sample in samples] == list(range(len(crops)))
    assert np.array_equal(np.concatenate([s["labels"] for s in samples]), np.concatenate([s["labels"] for s in scenes]))


class Crowded(OneScene):
    """The same scene thrice: as it is, with the first object a crowd, and with no keypoint of the second visible."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        sample["iscrowd"] = np.array([index == 1, False])
        sample["keypoints"][1, :, 2] *= index != 2
        return sample

    def column(self, key):
        return [np.array([4, 7])] * 3 if key == "labels" else None


def test_crowds_and_objects_without_a_visible_keypoint_are_left_out():
    crops = InstanceCrops(Crowded())
    assert crops.origins.tolist() == [[0, 0], [0, 1], [1, 1], [2, 0]]
    assert [labels.tolist() for labels in crops.column("labels")] == [sample["labels"].tolist() for sample in crops]
    assert crops.column("scale") is InstanceCrops(OneScene()).column("labels") is None
    again = InstanceCrops(crops, context=1.0)
    assert len(again) == 4 and again.posed(0).tolist() == [True]


@pytest.mark.parametrize("scenes", [[], [2]])
def test_scenes_without_any_pose_are_refused(scenes):
    class Unseen(Crowded):
        def __len__(self):
            return len(scenes)

        def __getitem__(self, index):
            sample = super().__getitem__(scenes[index])
            del sample["keypoints"]
            return sample

    with pytest.raises(DataError, match=f"None of the {len(scenes)} images has an object with a visible keypoint"):
        len(InstanceCrops(Unseen()))


@pytest.mark.parametrize("wrap", [lambda split: Chosen(split, np.arange(3)), lambda split: Joined([split])])
def test_data_sets_made_of_others_know_the_poses_and_names_of_those(wrap):
    split = wrap(Renamed(Crowded(), np.array([9, 8, 7, 6, 5, 4, 3, 2]), np.array([0])))
    assert [split.posed(index).tolist() for index in range(3)] == [[True, True], [False, True], [True, False]]
    assert [labels.tolist() for labels in split.column("labels")] == [[5, 2]] * 3
    assert split.column("area") is None


def test_images_of_16_bits_stay_so():
    class Wide(OneScene):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return {**sample, "image": sample["image"] * np.uint16(257)}

    image = InstanceCrops(Wide(), context=2.0, size=60)[0]["image"]
    narrow = InstanceCrops(OneScene(), context=2.0, size=60)[0]["image"]
    assert image.dtype == np.uint16 and np.array_equal(image, narrow * np.uint16(257))


def test_boxes_are_centred_and_scaled_to_the_context():
    for sample in InstanceCrops(DigitScenes(val_scenes=20).split("val"), context=2.0, size=40):
        x1, y1, x2, y2 = sample["boxes"][0]
        assert np.allclose([(x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1), sample["scale"]], 20, atol=1e-3)
        assert sample["image"].shape == (40, 40, 3) and sample["keypoints"].shape == (1, 5, 3)


def test_pixels_and_keypoints_move_together():
    sample = InstanceCrops(OneScene(), context=2.0, size=60)[0]
    # The crop goes from (5, 15) to (65, 75) at zoom 1: coordinate 30 comes to 25, and the ramp tells the same.
    assert np.allclose(sample["keypoints"][0, :2, :2], [[25, 25], [40, 40]])
    red, green, _ = sample["image"][25, 25]
    assert (red, green) == (2 * 30, 2 * 40)


def test_zoomed_pixels_lie_where_their_coordinates_say():
    sample = InstanceCrops(OneScene(), context=2.0, size=120)[0]
    # Pixel 50 of the crop has its centre at 50.5 / 2 + 5 = 30.25 in the scene, the centre of pixel 29.75.
    assert abs(int(sample["image"][50, 50, 0]) - 2 * 29.75) <= 1


def test_joints_outside_of_the_crop_become_absent():
    visible = [sample["keypoints"][0, :, 2].tolist() for sample in InstanceCrops(OneScene(), context=2.0)]
    assert visible == [[2, 2, 0], [2, 0, 2]]


def test_crops_can_be_pickled_and_nested_counts_are_known():
    crops = InstanceCrops(DigitScenes(val_scenes=5).split("val"))
    again = pickle.loads(pickle.dumps(crops))
    assert np.array_equal(again[2]["image"], crops[2]["image"]) and crops.num_objects(0) == 1
