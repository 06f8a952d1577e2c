"""An image of any shape in a frame of one size."""

from __future__ import annotations

import albumentations as A

from dltools.cfgutils import FieldError, component

IGNORED = 255


@component("transform", "letterbox")
class Letterbox(A.Sequential):
    """Scale to fit into a height and width without a change of shape, and pad the rest.

    The default fill is the grey that detectors of the YOLO family use. Padded pixels of a mask are ignored.

    Args:
        height: of the result in pixels.
        width: of the result in pixels.
        position: where the image lies: center, top_left, top_right, bottom_left or bottom_right.
        fill: value of padded pixels, from 0 to 255 for images of 8 bits.
        fill_mask: class id of padded pixels; 255 is ignored.

    Raises:
        FieldError: a side is less than a pixel.
    """

    def __init__(
        self,
        height: int = 640,
        width: int = 640,
        position: str = "center",
        fill: float = 114,
        fill_mask: int = IGNORED,
    ) -> None:
        for name, side in (("height", height), ("width", width)):
            if side < 1:
                raise FieldError(name, f"must be at least 1, got {side}")
        scaled = A.LongestMaxSize(max_size_hw=(height, width), area_for_downscale="image")
        padded = A.PadIfNeeded(height, width, position=position, fill=fill, fill_mask=fill_mask)
        super().__init__([scaled, padded], p=1.0)
