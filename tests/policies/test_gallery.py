"""Pictures of samples, whatever their channels and bits."""

import numpy as np
import pytest
import torch

from dltools.policies.gallery import Gallery
from dltools.visualizers import Visualizer
from dltools.writers import Hub


class Kept(Visualizer):
    """Keeps the pictures that it should draw."""

    def draw(self, pictures):
        self.pictures = pictures
        return np.zeros((1, 1, 3), np.uint8)


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3)])
@pytest.mark.parametrize("bits", [8, 16])
def test_images_are_shown_by_their_colours_in_8_bits(channels, shown, bits):
    pixels = np.random.default_rng(0).integers(0, 2**bits, (2, channels, 5, 7)).astype(f"uint{bits}")
    kept = Kept()
    gallery = Gallery({"kept": kept}, Hub({}), ["cat"])
    gallery.begin(step=1, steps_per_epoch=1, total_steps=1, final=True)
    gallery.add(torch.from_numpy(pixels), [{}, {}], [{}, {}], [4, 5])
    gallery.draw("val", 1)
    for picture, image in zip(kept.pictures, pixels, strict=True):
        assert picture.image.dtype == np.uint8 and picture.image.flags.c_contiguous
        assert np.array_equal(picture.image, (image >> (bits - 8)).transpose(1, 2, 0)[..., :shown])
