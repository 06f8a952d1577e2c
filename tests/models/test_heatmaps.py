import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.models.heatmaps import decode_heatmaps, keypoint_heatmaps, soft_argmax


def test_maps_are_gaussians_around_the_joints():
    keypoints = torch.tensor([[[13.0, 30.0, 2.0]]])
    found = keypoint_heatmaps(keypoints, (40, 24), stride=4, sigma=1.5)[0, 0]
    assert found.shape == (10, 6)
    for row in range(10):
        for column in range(6):
            squared = (column + 0.5 - 13 / 4) ** 2 + (row + 0.5 - 30 / 4) ** 2
            assert abs(float(found[row, column]) - np.exp(-squared / (2 * 1.5**2))) < 1e-6


def test_absent_joints_are_nan_and_the_others_are_not():
    maps = keypoint_heatmaps(torch.tensor([[[5.0, 5.0, 0.0], [5.0, 5.0, 1.0]]]), (16, 16), stride=4)
    assert maps[0, 0].isnan().all() and not maps[0, 1].isnan().any()


@settings(max_examples=50, deadline=None)
@given(x=st.floats(2, 46), y=st.floats(2, 46), height=st.floats(0.3, 2))
def test_joints_come_back_between_pixels_whatever_the_height_of_their_maps(x, y, height):
    maps = height * keypoint_heatmaps(torch.tensor([[[x, y, 2.0]]]), (48, 48), stride=4, sigma=1.5)
    found, score = decode_heatmaps(maps, stride=4)
    assert (found[0, 0] - torch.tensor([x, y])).abs().max() < 1e-3
    assert 0.8 * height < float(score) < height + 1e-6


def test_noise_moves_a_joint_by_a_pixel_of_the_map_at_most():
    maps = torch.randn(4, 5, 9, 7)
    peaks = maps.flatten(2).argmax(2)
    found, _ = decode_heatmaps(maps, stride=4)
    centres = 4 * (torch.stack([peaks % 7, peaks // 7], 2) + 0.5)
    assert (found - centres).abs().max() <= 4
    assert (found != centres).any()


def test_a_map_without_a_top_has_its_highest_pixel():
    found, _ = decode_heatmaps(torch.tensor([[[[0.0, 0.2, 0.9]]], [[[0.5, 0.1, 0.1]]]]), stride=2)
    assert found.tolist() == [[[5, 1]], [[1, 1]]]
    flat, _ = decode_heatmaps(torch.zeros(1, 1, 5, 5), stride=2)
    assert flat.tolist() == [[[1, 1]]]


def test_joints_at_the_border_stay_inside():
    maps = torch.zeros(1, 2, 6, 6)
    maps[0, 0, 0, 0] = maps[0, 1, 5, 5] = 1
    found, _ = decode_heatmaps(maps, stride=4)
    assert torch.equal(found, torch.tensor([[[2.0, 2.0], [22.0, 22.0]]]))


@settings(max_examples=50, deadline=None)
@given(x=st.floats(12, 36), y=st.floats(12, 36))
def test_the_soft_argmax_of_a_right_map_is_its_joint(x, y):
    maps = keypoint_heatmaps(torch.tensor([[[x, y, 2.0]]]), (48, 64), stride=4, sigma=1.5)
    found, _ = soft_argmax(maps, stride=4)
    assert (found[0, 0] - torch.tensor([x, y])).abs().max() < 0.12 * 4


def test_the_soft_argmax_is_mean_and_spread_of_the_softmax():
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (2, 3, 5, 6))
    found, spread = soft_argmax(torch.from_numpy(maps), stride=3, temperature=0.5)
    likely = np.exp(maps / 0.5) / np.exp(maps / 0.5).sum((2, 3), keepdims=True)
    for axis, centres in enumerate((3 * (np.arange(6) + 0.5), 3 * (np.arange(5)[:, None] + 0.5))):
        mean = (likely * centres).sum((2, 3))
        variance = (likely * centres**2).sum((2, 3)) - mean**2 + 3**2 / 12
        np.testing.assert_allclose(found[..., axis], mean, rtol=1e-10)
        np.testing.assert_allclose(spread[..., axis], np.sqrt(variance), rtol=1e-10)


def test_a_single_pixel_has_the_spread_of_a_square():
    maps = torch.zeros(1, 1, 6, 6)
    maps[0, 0, 2, 3] = 100
    found, spread = soft_argmax(maps, stride=4)
    assert torch.equal(found, torch.tensor([[[14.0, 10.0]]]))
    torch.testing.assert_close(spread, torch.full((1, 1, 2), 4 / 12**0.5))


def test_the_soft_argmax_has_the_gradient_of_its_value_and_full_precision():
    maps = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: soft_argmax(x, 4, 0.3), (maps,))
    for dtype in (torch.float16, torch.bfloat16):
        found, spread = soft_argmax(torch.full((1, 1, 64, 64), 1e4, dtype=dtype), 4)
        assert found.dtype == spread.dtype == torch.float32
        torch.testing.assert_close(found, torch.full((1, 1, 2), 128.0), rtol=1e-5, atol=0)
