import io
import struct
import zlib
from contextlib import suppress
from functools import partial
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError
from dltools.data.images import Channels, read_colours, read_image, read_mask

PHOTOGRAPH = load_sample_image("china.jpg")[100:196, 200:328]
GREY = np.asarray(Image.fromarray(PHOTOGRAPH).convert("L"))
WIDE = PHOTOGRAPH.astype(np.uint16) * 256 + 77
IDS = (np.arange(24).reshape(4, 6) % 4).astype(np.uint8)


def encoded(array, kind="PNG", mode="", **options):
    image = Image.fromarray(array)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def by_opencv(suffix, array):
    return cv2.imencode(suffix, array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def grey_png(values, bits, width=None):
    """A PNG by hand: Pillow writes no grey of 2 or 4 bits, and no header that lies."""
    header = struct.pack(">IIBBBBB", width or values.shape[1], len(values), bits, 0, 0, 0, 0)
    planes = np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(len(values), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in planes)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


RGB = Image.fromarray(PHOTOGRAPH)
FEW = np.asarray(RGB.convert("P").convert("RGB"))
INKS = np.asarray(Image.open(io.BytesIO(encoded(PHOTOGRAPH, "JPEG", "CMYK", quality=100))).convert("RGB"))
GREY3 = np.stack([GREY] * 3, axis=-1)
# name: file, what must be read, and how far a value may be off
ODD = {
    "grey png": (encoded(GREY), GREY3, 0),
    "rgb png": (encoded(PHOTOGRAPH), PHOTOGRAPH, 0),
    "rgba png": (encoded(PHOTOGRAPH, "PNG", "RGBA"), PHOTOGRAPH, 0),
    "transparent grey png": (encoded(GREY, "PNG", "LA"), GREY3, 0),
    "palette png": (encoded(PHOTOGRAPH, "PNG", "P"), FEW, 0),
    "palette png with a transparent colour": (encoded(PHOTOGRAPH, "PNG", "P", transparency=3), FEW, 0),
    "black and white png": (encoded(GREY, "PNG", "1"), np.asarray(RGB.convert("L").convert("1").convert("RGB")), 0),
    "grey png of 16 bits": (by_opencv(".png", WIDE[..., 0]), np.stack([PHOTOGRAPH[..., 0]] * 3, axis=-1), 0),
    "rgb png of 16 bits": (by_opencv(".png", WIDE), PHOTOGRAPH, 0),
    "turned png": (encoded(np.rot90(PHOTOGRAPH), exif=turned(6)), PHOTOGRAPH, 0),
    "grey tiff of 16 bits": (by_opencv(".tiff", WIDE[..., 0]), np.stack([PHOTOGRAPH[..., 0]] * 3, axis=-1), 0),
    "rgb tiff of 16 bits": (by_opencv(".tiff", WIDE), PHOTOGRAPH, 1),
    "packed tiff": (encoded(PHOTOGRAPH, "TIFF", compression="tiff_lzw"), PHOTOGRAPH, 0),
    "tiff of two pages": (encoded(PHOTOGRAPH, "TIFF", save_all=True, append_images=[RGB.rotate(90)]), PHOTOGRAPH, 0),
    "cmyk tiff": (encoded(PHOTOGRAPH, "TIFF", "CMYK"), PHOTOGRAPH, 0),
    "bmp": (encoded(PHOTOGRAPH, "BMP"), PHOTOGRAPH, 0),
    "gif": (encoded(PHOTOGRAPH, "GIF", "P"), FEW, 0),
    "webp": (encoded(PHOTOGRAPH, "WEBP", lossless=True), PHOTOGRAPH, 0),
    "jpeg": (encoded(PHOTOGRAPH, "JPEG", quality=100, subsampling=0), PHOTOGRAPH, 4),
    "grey jpeg": (encoded(GREY, "JPEG", quality=100), GREY3, 2),
    "progressive jpeg": (encoded(PHOTOGRAPH, "JPEG", quality=100, subsampling=0, progressive=True), PHOTOGRAPH, 4),
    "cmyk jpeg": (encoded(PHOTOGRAPH, "JPEG", "CMYK", quality=100), INKS, 2),
    "jpeg turned right": (
        encoded(np.rot90(PHOTOGRAPH), "JPEG", quality=100, subsampling=0, exif=turned(6)),
        PHOTOGRAPH,
        4,
    ),
    "jpeg upside down": (
        encoded(PHOTOGRAPH[::-1, ::-1], "JPEG", quality=100, subsampling=0, exif=turned(3)),
        PHOTOGRAPH,
        4,
    ),
    "mirrored jpeg": (encoded(PHOTOGRAPH[:, ::-1], "JPEG", quality=100, subsampling=0, exif=turned(2)), PHOTOGRAPH, 4),
    "jpeg with bytes after its end": (
        encoded(PHOTOGRAPH, "JPEG", quality=100, subsampling=0) + bytes(500),
        PHOTOGRAPH,
        4,
    ),
}


@pytest.fixture
def file(tmp_path):
    def write(content):
        # The name lies about the format and is not ASCII: both are found in real sets.
        path = tmp_path / "ünï 1.jpg"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(("content", "expected", "off"), ODD.values(), ids=ODD.keys())
def test_images_of_all_kinds_are_read_as_rgb_and_as_grey(file, content, expected, off):
    path = file(content)
    image, grey = read_image(path), read_image(path, Channels.grey)
    assert image.dtype == grey.dtype == np.uint8
    assert image.shape == expected.shape and grey.shape == (*expected.shape[:2], 1)
    assert np.abs(image.astype(int) - expected).max() <= off
    assert np.abs(grey[..., 0] - expected @ [0.299, 0.587, 0.114]).max() < off + 1.5


@pytest.mark.parametrize(("content", "expected", "off"), ODD.values(), ids=ODD.keys())
def test_images_of_all_kinds_are_read_as_rgba_and_with_16_bits(file, content, expected, off):
    path = file(content)
    with_opacity = read_image(path, Channels.rgba)
    assert with_opacity.dtype == np.uint8 and with_opacity.shape == (*expected.shape[:2], 4)
    assert np.abs(with_opacity[..., :3].astype(int) - expected).max() <= off
    for channels in Channels:
        wide = read_image(path, channels, bits=16)
        assert wide.dtype == np.uint16 and np.abs((wide >> 8).astype(int) - read_image(path, channels)).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_are_kept_as_they_are_and_8_are_scaled_to_the_same_range(file, suffix):
    path = file(by_opencv(suffix, WIDE))
    assert np.array_equal(read_image(path, bits=16), WIDE)
    assert np.array_equal(read_image(path, Channels.rgba, bits=16), np.dstack([WIDE, np.full(WIDE.shape[:2], 65535)]))
    assert np.array_equal(read_image(path, Channels.rgba, bits=8)[..., :3], PHOTOGRAPH)
    plane = file(by_opencv(suffix, WIDE[..., 0]))
    assert np.array_equal(read_image(plane, Channels.grey, bits=16)[..., 0], WIDE[..., 0])
    assert np.array_equal(read_image(file(encoded(PHOTOGRAPH)), bits=16), PHOTOGRAPH.astype(np.uint16) * 257)


OPACITY = np.mgrid[:96, :128][1].astype(np.uint8)
CLEAR = np.dstack([PHOTOGRAPH, OPACITY])
TRANSPARENT = {
    "png": (encoded(CLEAR), CLEAR),
    "grey png": (encoded(np.dstack([GREY, OPACITY])), np.dstack([GREY3, OPACITY])),
    "webp": (encoded(CLEAR, "WEBP", lossless=True, exact=True), CLEAR),
    "tiff": (encoded(CLEAR, "TIFF"), CLEAR),
    "packed tiff": (encoded(CLEAR, "TIFF", compression="tiff_lzw"), CLEAR),
    "grey tiff": (encoded(np.dstack([GREY, OPACITY]), "TIFF"), np.dstack([GREY3, OPACITY])),
}


@pytest.mark.parametrize(("content", "expected"), TRANSPARENT.values(), ids=TRANSPARENT.keys())
def test_opacity_is_the_fourth_channel_and_leaves_the_colours_as_they_are(file, content, expected):
    path = file(content)
    assert np.array_equal(read_image(path, Channels.rgba), expected)
    assert np.array_equal(read_image(path), expected[..., :3])
    assert np.array_equal(read_image(path, Channels.rgba, bits=16), expected * np.uint16(257))
    assert np.abs(read_image(path, Channels.grey)[..., 0] - expected[..., :3] @ [0.299, 0.587, 0.114]).max() < 1.5


def test_colours_of_a_palette_may_be_transparent(file):
    image = RGB.convert("P", palette=Image.Palette.ADAPTIVE)
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=3)
    expected = np.where(np.asarray(image) == 3, 0, 255)
    assert np.array_equal(read_image(file(stream.getvalue()), Channels.rgba)[..., 3], expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_opacity_of_16_bits_is_kept(file, suffix):
    clear = np.dstack([WIDE, WIDE[..., 1]])
    path = file(cv2.imencode(suffix, clear[..., [2, 1, 0, 3]])[1].tobytes())
    assert np.array_equal(read_image(path, Channels.rgba, bits=16), clear)
    assert np.array_equal(read_image(path, Channels.rgba), clear >> 8)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_opacity_is_turned_with_the_colours(file, kind, orientation):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = encoded(CLEAR, kind, exif=turned(orientation), **options)
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert np.array_equal(read_image(file(content), Channels.rgba), np.asarray(image))
    assert np.array_equal(read_image(file(content)), np.asarray(image)[..., :3])


@pytest.mark.parametrize("channels", Channels)
@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_of_more_than_16_bits_are_refused(file, channels, kind):
    path = file(encoded(GREY.astype(kind), "TIFF"))
    for bits in (8, 16):
        with pytest.raises(DataError, match="of floating point or more than 16 bits"):
            read_image(path, channels, bits)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", sorted((ODD.keys() | TRANSPARENT.keys()) - {"tiff of two pages"}))
def test_images_that_are_cut_short_are_refused(file, name):
    content = (TRANSPARENT | ODD)[name][0].rstrip(b"\0")
    path = file(content[: len(content) * 2 // 3])
    for channels, bits in product(Channels, (8, 16)):
        with pytest.raises(DataError, match=r"1\.jpg cannot be decoded \(\d+ bytes\)"):
            read_image(path, channels, bits)


def test_end_of_a_thumbnail_is_not_the_end_of_a_jpeg(file):
    jpeg = encoded(PHOTOGRAPH, "JPEG")
    thumbnail = encoded(PHOTOGRAPH[:8, :8], "JPEG")
    segment = b"\xff\xe5" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = jpeg[:2] + segment + jpeg[2:]
    assert np.array_equal(read_image(file(whole)), read_image(file(jpeg)))
    with pytest.raises(DataError, match="it is cut short: a JPEG ends in the bytes ff d9"):
        read_image(file(whole[:-2]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"\(0 bytes\): it begins with nothing. Expected a whole JPEG, PNG"),
        (b"nonsense", r"\(8 bytes\): it begins with 6e 6f 6e 73"),
        (encoded(PHOTOGRAPH)[:20], "cannot be decoded"),
        (encoded(PHOTOGRAPH[..., 0].astype(np.float32), "TIFF"), "of floating point or more than 16 bits"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(file, content, reason):
    with pytest.raises(DataError, match=reason):
        read_image(file(content))


def test_images_and_masks_that_are_not_there_are_named(tmp_path):
    for read in (read_image, read_mask, read_colours):
        with pytest.raises(DataError, match=r"no\.png cannot be read: No such file"):
            read(tmp_path / "no.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("read", [read_image, read_mask, read_colours])
def test_images_with_too_many_pixels_are_refused_before_they_are_decoded(file, monkeypatch, read, kind):
    path = file(encoded(GREY, kind))
    monkeypatch.setattr(cv2, "imdecode", None)
    monkeypatch.setattr(Image.Image, "convert", None)
    with pytest.raises(DataError, match=r"128 x 96 pixels; at most 12,287 are decoded. Set data.max_pixels higher"):
        read(path, max_pixels=128 * 96 - 1)


def test_bomb_of_few_bytes_is_refused_and_a_trusted_one_goes_beyond_pillows_limit(file, monkeypatch):
    with pytest.raises(DataError, match="2000000000 x 96 pixels"):
        read_image(file(grey_png(GREY, 8, width=2_000_000_000)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_mask(file(encoded(IDS))).shape == (4, 6) and read_image(file(encoded(GREY))).shape == (96, 128, 3)


PALETTE = Image.fromarray(IDS, mode="P")
PALETTE.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9])


def palette_png(**options):
    stream = io.BytesIO()
    PALETTE.save(stream, "PNG", **options)
    return stream.getvalue()


MASKS = {
    "grey": encoded(IDS),
    "palette": palette_png(),
    "palette of 2 bits": palette_png(bits=2),
    "grey of 2 bits": grey_png(IDS, 2),
    "grey of 4 bits": grey_png(IDS, 4),
    "grey of 16 bits": encoded(IDS.astype(np.uint16)),
    "tiff of 16 bits": encoded(IDS.astype(np.uint16), "TIFF"),
    "packed tiff": encoded(IDS, "TIFF", compression="tiff_lzw"),
    "bmp": encoded(IDS, "BMP"),
}


@pytest.mark.parametrize("content", MASKS.values(), ids=MASKS.keys())
def test_masks_of_all_kinds_keep_their_ids(file, content):
    mask = read_mask(file(content))
    assert mask.dtype == np.uint8 and np.array_equal(mask, IDS)


def test_black_and_white_masks_hold_0_and_1(file):
    assert np.array_equal(read_mask(file(encoded(IDS > 1))), IDS > 1)


def test_wide_ids_and_colours_are_no_class_ids(file):
    with pytest.raises(DataError, match="has class id 770"):
        read_mask(file(encoded(IDS.astype(np.uint16) + 767)))
    with pytest.raises(DataError, match="is of mode RGB; a mask must be a grey or palette image"):
        read_mask(file(encoded(PHOTOGRAPH)))


@pytest.mark.parametrize("read", [read_mask, read_colours])
def test_masks_that_are_cut_short_or_nonsense_are_refused(file, read):
    for content in (b"", b"nonsense", encoded(GREY)[:-4000], encoded(GREY)[:20]):
        with pytest.raises(DataError, match="cannot be decoded"):
            read(file(content))


def test_colours_of_masks_are_read_as_they_are(file):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 9, 9]], np.uint8)[IDS]
    for content in (palette_png(), encoded(colours), encoded(colours, "PNG", "RGBA"), encoded(colours, "BMP")):
        assert np.array_equal(read_colours(file(content)), colours)
    assert np.array_equal(read_colours(file(encoded(IDS)))[..., 1], IDS)


FILES = [row[0] for row in (*ODD.values(), *TRANSPARENT.values())] + list(MASKS.values())
WAYS = [partial(read_image, channels=channels, bits=bits) for channels, bits in product(Channels, (8, 16))]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.img"
    path.write_bytes(content)
    for read in (*WAYS, read_mask, read_colours):
        with suppress(DataError):
            assert read(path, max_pixels=10**6).dtype in (np.uint8, np.uint16)
