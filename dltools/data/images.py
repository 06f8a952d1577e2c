"""Reading images and masks from files."""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path
from typing import Any

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

from dltools.cfgutils import DataError, FieldError
from dltools.data.faults import TooLargeError, UndecodableError, UnknownClassError

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
BITS_TAG = 258
"""Tag of a TIFF with the bits of each channel."""
IDS_SCALED_BY = {2: 85, 4: 17}
"""What Pillow multiplies the values of a grey PNG of 2 or 4 bits with."""


class Channels(str, Enum):
    """What the images of a data set become."""

    rgb = "rgb"
    grey = "grey"
    rgba = "rgba"


NUM_CHANNELS = {Channels.rgb: 3, Channels.grey: 1, Channels.rgba: 4}
DECODING = {
    Channels.rgb: cv2.IMREAD_COLOR,
    Channels.grey: cv2.IMREAD_GRAYSCALE,
    Channels.rgba: cv2.IMREAD_COLOR | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH,
}
"""How OpenCV decodes; the last is all that the file has, but turned as its EXIF orientation says."""
FROM_DECODED = {
    (Channels.rgb, 3): cv2.COLOR_BGR2RGB,
    (Channels.rgba, 1): cv2.COLOR_GRAY2RGBA,
    (Channels.rgba, 3): cv2.COLOR_BGR2RGBA,
    (Channels.rgba, 4): cv2.COLOR_BGRA2RGBA,
}
FROM_RGBA = {Channels.rgb: cv2.COLOR_RGBA2RGB, Channels.grey: cv2.COLOR_RGBA2GRAY}
"""Conversions of OpenCV from what was decoded, of so many channels, to what is wanted."""


def read_image(
    path: Path, channels: Channels = Channels.rgb, bits: int = 8, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return an image (H, W, 3) of RGB, (H, W, 1) of grey or (H, W, 4) of RGBA, uint8 or uint16.

    The format is what the first bytes say, whatever the name. Turned as its EXIF orientation says; palettes and CMYK
    become RGB; transparency is dropped or the fourth channel, in which all is opaque where the file has none; of
    several pages it is the first. With 8 bits, 16 of a file are cut to the upper 8; with 16, its 8 are scaled by 257.

    Args:
        path: a JPEG, PNG, TIFF, WebP, BMP or GIF file.
        channels: what the image becomes.
        bits: of a channel, 8 or 16.
        max_pixels: largest size to decode; a larger one is refused before that.

    Raises:
        DataError: the file cannot be read or decoded, is cut short, or is too large.
    """
    content = _content_of(path)
    with _opened(path, content, max_pixels) as header:
        # The reader has stopped where the compressed data begin: an end before that is the end of a thumbnail.
        if isinstance(header, JpegImageFile) and header.fp and content.rfind(JPEG_END, header.fp.tell()) < 0:
            raise _undecodable(path, content, "it is cut short: a JPEG ends in the bytes ff d9")
        if _is_transparent_tiff(header):  # OpenCV would multiply its colours by their opacity
            image: NDArray[Any] = _decoded(path, content, header, "RGBA")
            image = cv2.cvtColor(image, FROM_RGBA[channels]) if channels in FROM_RGBA else image
        else:
            image = _by_opencv(path, content, channels, bits)
    return in_bits(image.reshape(*image.shape[:2], NUM_CHANNELS[channels]), bits)


def in_bits(image: NDArray[Any], bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return an image of 8 or 16 bits as uint8, its upper 8, or as uint16, scaled such that 255 becomes 65535."""
    if bits == 16:
        return image if image.dtype == np.uint16 else image * np.uint16(257)
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def check_bits(bits: int) -> None:
    """Check the bits that a data set shall have in a channel.

    Raises:
        FieldError: they are neither 8 nor 16.
    """
    if bits not in (8, 16):
        raise FieldError("bits", f"must be 8 or 16, got {bits}")


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
        raise UnknownClassError(f"{path} has class id {ids.max()}; ids are 0 to 254, or 255 to ignore.")
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
        raise TooLargeError(
            f"{path} has {width} x {height} pixels; at most {max_pixels:,} are decoded. Set data.max_pixels higher if "
            "the file is to be trusted."
        )
    return image


def _is_transparent_tiff(image: ImageFile.ImageFile) -> bool:
    """Return whether an image is a TIFF of 8 bits with an alpha channel."""
    is_tiff = isinstance(image, TiffImageFile) and set(image.tag_v2.get(BITS_TAG, ())) == {8}
    return is_tiff and image.mode in ("RGBA", "LA")


def _by_opencv(path: Path, content: bytes, channels: Channels, bits: int) -> NDArray[Any]:
    """Return an image of the wanted channels, of 8 or 16 bits."""
    flags = DECODING[channels] | (cv2.IMREAD_ANYDEPTH if bits == 16 else 0)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if image is not None and image.dtype in (np.uint8, np.uint16):
            code = FROM_DECODED.get((channels, image.shape[2] if image.ndim == 3 else 1))
            return image if code is None else cv2.cvtColor(image, code)
    except cv2.error as error:
        raise _undecodable(path, content, error.err) from error
    raise _undecodable(path, content, "it is damaged, cut short, or of floating point or more than 16 bits")


def _decoded(path: Path, content: bytes, image: ImageFile.ImageFile, mode: str = "") -> NDArray[np.uint8]:
    try:
        return np.array(image.convert(mode) if mode else image)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError) as error:
        raise _undecodable(path, content, str(error)) from error


def _undecodable(path: Path, content: bytes, reason: str) -> DataError:
    return UndecodableError(
        f"{path} cannot be decoded ({len(content)} bytes): {reason}. "
        "Expected a whole JPEG, PNG, TIFF, WebP, BMP or GIF."
    )
