"""What data sets of image files share: how the images are read, and what is made of the objects in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dltools.cfgutils import FieldError, PositiveInt
from dltools.data.base import Provider
from dltools.data.images import MAX_PIXELS, NUM_CHANNELS, Channels, check_bits, read_image

ImageReader = Callable[[Path], NDArray[Any]]
"""Returns the image (H, W, C) of a file, uint8 or uint16."""


@dataclass(kw_only=True, eq=False, repr=False)
class ImageFiles(Provider):
    """A data set of image files in a folder. Subclasses say which, and what is known of them."""

    root: str
    """Folder of the data."""
    channels: Channels = Channels.rgb
    """What images become, whatever the files have: rgb, grey, or rgba with the opacity as the fourth channel."""
    bits: int = 8
    """Bits of a channel, 8 or 16; files of more are cut to the upper 8, files of fewer are scaled up."""
    max_pixels: PositiveInt = MAX_PIXELS
    """Most pixels of an image or mask; a larger one is refused before it is decoded."""

    def __post_init__(self) -> None:
        check_bits(self.bits)
        self.in_channels = NUM_CHANNELS[self.channels]

    @property
    def read(self) -> ImageReader:
        """What reads an image; can be pickled.

        It raises DataError where the file cannot be read, is damaged or too large.
        """
        return partial(read_image, channels=self.channels, bits=self.bits, max_pixels=self.max_pixels)


@dataclass(kw_only=True, eq=False, repr=False)
class SceneFiles(ImageFiles):
    """A data set of images with objects, which annotation files tell."""

    masks: bool = False
    """Give a semantic mask too: 0 where nothing is, 1 + label on objects."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""
    background_images: bool = True
    """Keep images without objects."""
    outside: bool = False
    """Allow files out of the folder of the data."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance_maps and not self.masks:
            raise FieldError("distance_maps", "must be false without masks, of which the maps are made, got true")
