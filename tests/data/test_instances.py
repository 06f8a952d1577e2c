import pickle

import numpy as np

from dltools.data.base import Split
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
