"""How tiles become a sheet: captions, rows and the legend of the masks' classes."""

from __future__ import annotations

import math

import numpy as np

from dltools.visualizers.base import Marks, Picture
from dltools.visualizers.overlay import Image, classes_of, draw_marks, enlarge, label_of, name_of, width_of, write
from dltools.visualizers.palette import FAINT, INK, PAPER, RIGHT, WRONG, Colour, colour_of, ink_on

STRIP = 20
GAP = 4
MARGIN = 12


def tile_of(picture: Picture, marks: Marks, min_side: int, max_side: int, skeleton: list[list[int]] | None) -> Image:
    """Return a picture with its marks, its longer side scaled into `min_side` to `max_side` pixels."""
    longer = max(picture.image.shape[:2])
    scale = min(max(longer, min_side), max_side) / longer
    return draw_marks(enlarge(picture.image, scale), marks, picture.names, scale, skeleton)


def words_of(title: str, picture: Picture, marks: Marks) -> list[tuple[str, Colour]]:
    """Return what stands over a tile: what it shows and, by the colour of a predicted label, whether it is right."""
    words: list[tuple[str, Colour]] = [(title, FAINT)]
    if "label" in marks:
        label = marks["label"]
        verdict = INK if marks is picture.truth else RIGHT if int(label) == picture.truth.get("label") else WRONG
        words.append((label_of(label, picture.names), verdict))
    if "score" in marks:
        words.append((f"{float(marks['score']):.2f}", INK))
    if "boxes" in marks:
        count = len(marks["boxes"])
        words.append((f"{count} object{'' if count == 1 else 's'}", INK))
    return words


def captioned(tile: Image, words: list[tuple[str, Colour]], note: str = "") -> Image:
    """Return a tile below its words, and a note at their right end."""
    strip = paper(STRIP, tile.shape[1])
    x = 4
    for text, colour in words:
        if colour in (RIGHT, WRONG):
            strip[2:-2, x - 3 : x + width_of(text) + 3] = colour
            colour = ink_on(colour)
        x = write(strip, text, x, STRIP - 6, colour) + 8
    write(strip, note, max(x, tile.shape[1] - width_of(note) - 4), STRIP - 6, FAINT)
    return np.concatenate([strip, tile])


def centred(tile: Image, height: int, width: int) -> Image:
    """Return a tile in the middle of a larger one."""
    ground = paper(height, width)
    _put(tile, ground, (height - tile.shape[0]) // 2, (width - tile.shape[1]) // 2)
    return ground


def arranged(tiles: list[Image], columns: int) -> Image:
    """Return equal tiles in rows, with margins."""
    height, width = tiles[0].shape[0] + MARGIN, tiles[0].shape[1] + MARGIN
    ground = paper(math.ceil(len(tiles) / columns) * height + MARGIN, columns * width + MARGIN)
    for position, tile in enumerate(tiles):
        _put(tile, ground, MARGIN + position // columns * height, MARGIN + position % columns * width)
    return ground


def _put(tile: Image, ground: Image, top: int, left: int) -> None:
    ground[top : top + tile.shape[0], left : left + tile.shape[1]] = tile


def paper(height: int, width: int) -> Image:
    """Return an empty ground."""
    return np.full((height, width, 3), PAPER, np.uint8)


def legend(pictures: list[Picture], width: int) -> Image:
    """Return a strip that names the colours of the masks' classes; of no height where there are no masks."""
    masks = [marks["mask"] for picture in pictures for marks in (picture.truth, picture.prediction) if "mask" in marks]
    ids = sorted({index for mask in masks for index in classes_of(mask)})
    lines: list[list[tuple[int, str, int]]] = []
    x = width
    for index in ids:
        text = name_of(index, pictures[0].names)
        if x + 18 + width_of(text) + MARGIN > width:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, text, index))
        x += 18 + width_of(text) + 14
    strip = paper(len(lines) * STRIP + (MARGIN // 2 if lines else 0), width)
    for row, line in enumerate(lines):
        for x, text, index in line:
            strip[row * STRIP + 3 : row * STRIP + 15, x : x + 12] = colour_of(index)
            write(strip, text, x + 18, row * STRIP + 14, INK)
    return strip
