"""Reading images and masks from files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dltools.cfgutils import DataError


def read_image(path: Path, grey: bool = False) -> cv2.typing.MatLike:
    """Return an image (H, W, 3) uint8 of RGB, or (H, W, 1) of grey.

    Turned as its EXIF orientation says; more than 8 bits are scaled down, transparency is dropped.

    Raises:
        DataError: the file cannot be read or decoded.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR) if len(content) else None
    if image is None:
        raise DataError(f"{path} cannot be decoded ({len(content)} bytes); expected a whole PNG, JPEG or other image.")
    return image[..., None] if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the class ids (H, W) uint8 of an index mask: a grey, palette or black-and-white image of 8 bits or less.

    Raises:
        DataError: the file cannot be read or decoded, or it holds colours instead of ids.
    """
    try:
        with Image.open(path) as mask:
            if mask.mode not in ("L", "P", "1"):
                raise DataError(
                    f"{path} is of mode {mask.mode}; a mask must be a grey or palette image whose values are class ids."
                )
            return np.array(mask, np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; there must be a mask of that name for each image.") from error
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{path} cannot be decoded ({error}); expected a whole PNG.") from error
