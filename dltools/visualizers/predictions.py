"""Truth and prediction side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import FieldError, PositiveInt, Probability, component
from dltools.visualizers.base import Marks, Picture, Visualizer
from dltools.visualizers.overlay import BACKGROUND, IGNORED, Image, draw_marks, enlarge, name_of, width_of, write
from dltools.visualizers.palette import FAINT, INK, PAPER, RIGHT, WRONG, Colour, colour_of, ink_on

STRIP = 20
GAP = 4
MARGIN = 12
PER_OBJECT = ("boxes", "labels", "scores", "keypoints")


@component("visualizer", "predictions")
class Predictions(Visualizer):
    """A grid of samples: the truth on the left of each pair, the prediction on the right.

    Draws labels, masks, boxes and keypoints, whichever a sample has. The same class has the same colour in every image.
    """

    min_side: PositiveInt = 256
    """Pictures whose longer side has fewer pixels are enlarged to it."""
    max_side: PositiveInt = 512
    """Pictures whose longer side has more pixels are reduced to it."""
    min_score: Probability = 0.3
    """Predicted boxes of a lower score are not drawn."""
    skeleton: list[list[int]] | None = None
    """Pairs of joints that a line joins; None joins each joint with the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_side < self.min_side:
            raise FieldError("max_side", f"must be at least min_side = {self.min_side}, got {self.max_side}")

    def draw(self, pictures: list[Picture]) -> NDArray[np.uint8]:
        """Return the grid as (H, W, 3) uint8, RGB."""
        pictures = [
            replace(picture, prediction=self._sure(picture.prediction)) for picture in pictures[: self.num_images]
        ]
        tiles = [(self._tile(picture, picture.truth), self._tile(picture, picture.prediction)) for picture in pictures]
        height = max(tile.shape[0] for tile, _ in tiles)
        width = max(tile.shape[1] for tile, _ in tiles)
        pairs = []
        for picture, (left, right) in zip(pictures, tiles, strict=True):
            truth = _captioned(_centred(left, height, width), _words("truth", picture, picture.truth), picture.caption)
            guess = _captioned(_centred(right, height, width), _words("prediction", picture, picture.prediction), "")
            pairs.append(np.concatenate([truth, _paper(truth.shape[0], GAP), guess], axis=1))
        grid = _arranged(pairs, columns=max(1, round(math.sqrt(len(pairs) / 2))))
        return np.concatenate([grid, _legend(pictures, grid.shape[1])])

    def _tile(self, picture: Picture, marks: Marks) -> Image:
        longer = max(picture.image.shape[:2])
        scale = min(max(longer, self.min_side), self.max_side) / longer
        return draw_marks(enlarge(picture.image, scale), marks, picture.names, scale, self.skeleton)

    def _sure(self, marks: Marks) -> Marks:
        """Return a prediction without the objects of a low score."""
        if "scores" not in marks:
            return marks
        keep = np.asarray(marks["scores"]) >= self.min_score
        return {name: np.asarray(value)[keep] if name in PER_OBJECT else value for name, value in marks.items()}


def _words(title: str, picture: Picture, marks: Marks) -> list[tuple[str, Colour]]:
    """Return what stands over a tile: what it shows and, by the colour of a predicted label, whether it is right."""
    words: list[tuple[str, Colour]] = [(title, FAINT)]
    if "label" in marks:
        label = int(marks["label"])
        verdict = RIGHT if label == picture.truth.get("label") else WRONG
        words.append((name_of(label, picture.names), INK if marks is picture.truth else verdict))
    if "score" in marks:
        words.append((f"{float(marks['score']):.2f}", INK))
    if "boxes" in marks:
        count = len(marks["boxes"])
        words.append((f"{count} object{'' if count == 1 else 's'}", INK))
    return words


def _captioned(tile: Image, words: list[tuple[str, Colour]], note: str) -> Image:
    strip = _paper(STRIP, tile.shape[1])
    x = 4
    for text, colour in words:
        if colour in (RIGHT, WRONG):
            strip[2:-2, x - 3 : x + width_of(text) + 3] = colour
            colour = ink_on(colour)
        x = write(strip, text, x, STRIP - 6, colour) + 8
    write(strip, note, max(x, tile.shape[1] - width_of(note) - 4), STRIP - 6, FAINT)
    return np.concatenate([strip, tile])


def _centred(tile: Image, height: int, width: int) -> Image:
    ground = _paper(height, width)
    _put(tile, ground, (height - tile.shape[0]) // 2, (width - tile.shape[1]) // 2)
    return ground


def _arranged(tiles: list[Image], columns: int) -> Image:
    """Return equal tiles in rows, with margins."""
    height, width = tiles[0].shape[0] + MARGIN, tiles[0].shape[1] + MARGIN
    ground = _paper(math.ceil(len(tiles) / columns) * height + MARGIN, columns * width + MARGIN)
    for position, tile in enumerate(tiles):
        _put(tile, ground, MARGIN + position // columns * height, MARGIN + position % columns * width)
    return ground


def _put(tile: Image, ground: Image, top: int, left: int) -> None:
    ground[top : top + tile.shape[0], left : left + tile.shape[1]] = tile


def _paper(height: int, width: int) -> Image:
    return np.full((height, width, 3), PAPER, np.uint8)


def _legend(pictures: list[Picture], width: int) -> Image:
    """Return a strip that names the colours of the masks' classes; of no height where there are no masks."""
    masks = [marks["mask"] for picture in pictures for marks in (picture.truth, picture.prediction) if "mask" in marks]
    ids = sorted({int(index) for mask in masks for index in np.unique(mask)} - {BACKGROUND, IGNORED})
    lines: list[list[tuple[int, str, int]]] = []
    x = width
    for index in ids:
        text = name_of(index, pictures[0].names)
        if x + 18 + width_of(text) + MARGIN > width:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, text, index))
        x += 18 + width_of(text) + 14
    strip = _paper(len(lines) * STRIP + (MARGIN // 2 if lines else 0), width)
    for row, line in enumerate(lines):
        for x, text, index in line:
            strip[row * STRIP + 3 : row * STRIP + 15, x : x + 12] = colour_of(index)
            write(strip, text, x + 18, row * STRIP + 14, INK)
    return strip
