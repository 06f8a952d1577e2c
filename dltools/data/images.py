"""Reading images and masks from files."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from dltools.cfgutils import DataError

MAX_PIXELS = 178_956_970
"""Pixels of an image beyond which Pillow takes it for a bomb: half a gigabyte of RGB."""

FORMATS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
    (b"RIFF", WebPImageFile),
    (b"BM", BmpImageFile),
    (b"GIF8", GifImageFile),
)
"""First bytes of the formats, and who reads their header."""

JPEG_END = b"\xff\xd9"
IDS_SCALED_BY = {2: 85, 4: 17}
"""What Pillow multiplies the values of a grey PNG of 2 or 4 bits with."""


def read_image(path: Path, grey: bool = False, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) uint8 of RGB, or (H, W, 1) of grey.

    The format is what the first bytes say, whatever the name. Turned as its EXIF orientation says; 16 bits are cut to
    the upper 8; palettes and CMYK become RGB; transparency is dropped; of several pages it is the first.

    Args:
        path: a JPEG, PNG, TIFF, WebP, BMP or GIF file.
        grey: one channel instead of three.
        max_pixels: largest size to decode; a larger one is refused before that.

    Raises:
        DataError: the file cannot be read or decoded, is cut short, or is too large.
    """
    content = _content_of(path)
    with _opened(path, content, max_pixels) as header:
        # The reader has stopped where the compressed data begin: an end before that is the end of a thumbnail.
        if isinstance(header, JpegImageFile) and header.fp and content.rfind(JPEG_END, header.fp.tell()) < 0:
            raise _undecodable(path, content, "it is cut short: a JPEG ends in the bytes ff d9")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _undecodable(path, content, error.err) from error
    if image is None:
        raise _undecodable(path, content, "it is damaged, cut short, or of floating point or more than 16 bits")
    return image[..., None] if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def read_mask(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the class ids (H, W) uint8 of an index mask: a grey, palette or black-and-white image.

    The ids are the values as they are stored: places in the palette, and 0 and 1 for black and white.

    Raises:
        DataError: the file cannot be read or decoded, is too large, or holds colours instead of ids, or ids above 255.
    """
    content = _content_of(path)
    with _opened(path, content, max_pixels) as mask:
        if mask.mode not in ("L", "P", "1", "I;16", "I;16B"):
            raise DataError(
                f"{path} is of mode {mask.mode}; a mask must be a grey or palette image whose values are class ids."
            )
        ids = _decoded(path, content, mask)
        if isinstance(mask, PngImageFile) and mask.mode == "L":
            ids //= IDS_SCALED_BY.get(content[24], 1)  # the bit depth in the header of a PNG
    if ids.dtype != bool and ids.max(initial=0) > 255:
        raise DataError(f"{path} has class id {ids.max()}; ids are 0 to 254, or 255 to ignore.")
    return ids.astype(np.uint8)


def read_colours(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the colours (H, W, 3) uint8 of a mask as they are stored; transparency is dropped.

    Raises:
        DataError: the file cannot be read or decoded, or is too large.
    """
    content = _content_of(path)
    with _opened(path, content, max_pixels) as mask:
        return _decoded(path, content, mask, "RGB")


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _opened(path: Path, content: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Return an image of which only the header is read.

    `Image.open` would try more formats, and has a limit of its own that one can only change for the whole process.
    """
    reader = next((reader for first, reader in FORMATS if content.startswith(first)), None)
    if reader is None:
        raise _undecodable(path, content, f"it begins with {content[:4].hex(' ') or 'nothing'}")
    try:
        image = reader(io.BytesIO(content))
    except (OSError, SyntaxError, ValueError, LookupError, TypeError) as error:
        raise _undecodable(path, content, str(error)) from error
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(
            f"{path} has {width} x {height} pixels; at most {max_pixels:,} are decoded. Set data.max_pixels higher if "
            "the file is to be trusted."
        )
    return image


def _decoded(path: Path, content: bytes, image: ImageFile.ImageFile, mode: str = "") -> NDArray[np.uint8]:
    try:
        return np.array(image.convert(mode) if mode else image)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError) as error:
        raise _undecodable(path, content, str(error)) from error


def _undecodable(path: Path, content: bytes, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be decoded ({len(content)} bytes): {reason}. "
        "Expected a whole JPEG, PNG, TIFF, WebP, BMP or GIF."
    )
