"""Truth and prediction side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import FieldError, PositiveInt, Probability, component
from dltools.visualizers.base import Marks, Picture, Visualizer
from dltools.visualizers.layout import GAP, arranged, captioned, centred, legend, paper, tile_of, words_of
from dltools.visualizers.overlay import Image

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
            truth = captioned(centred(left, height, width), words_of("truth", picture, picture.truth), picture.caption)
            guess = captioned(centred(right, height, width), words_of("prediction", picture, picture.prediction))
            pairs.append(np.concatenate([truth, paper(truth.shape[0], GAP), guess], axis=1))
        grid = arranged(pairs, columns=max(1, round(math.sqrt(len(pairs) / 2))))
        return np.concatenate([grid, legend(pictures, grid.shape[1])])

    def _tile(self, picture: Picture, marks: Marks) -> Image:
        return tile_of(picture, marks, self.min_side, self.max_side, self.skeleton)

    def _sure(self, marks: Marks) -> Marks:
        """Return a prediction without the objects of a low score."""
        if "scores" not in marks:
            return marks
        keep = np.asarray(marks["scores"]) >= self.min_score
        return {name: np.asarray(value)[keep] if name in PER_OBJECT else value for name, value in marks.items()}
