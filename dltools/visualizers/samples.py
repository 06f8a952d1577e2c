"""Samples in rows, each beside others made of it, with what is true drawn over them."""

from __future__ import annotations

import numpy as np

from dltools.visualizers.base import Picture
from dltools.visualizers.layout import arranged, captioned, centred, legend, tile_of, words_of
from dltools.visualizers.overlay import Image


def draw_samples(
    rows: list[list[Picture]],
    titles: list[str],
    min_side: int = 256,
    max_side: int = 512,
    skeleton: list[list[int]] | None = None,
) -> Image:
    """Return the sheet (H, W, 3) uint8, RGB.

    Args:
        rows: of pictures, all of the same length.
        titles: words for each column.
        min_side: pictures whose longer side has fewer pixels are enlarged to it.
        max_side: pictures whose longer side has more pixels are reduced to it.
        skeleton: pairs of joints to join; None joins each with the next.
    """
    pictures = [picture for row in rows for picture in row]
    tiles = [tile_of(picture, picture.truth, min_side, max_side, skeleton) for picture in pictures]
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    captions = [
        words_of(title, picture, picture.truth) for row in rows for title, picture in zip(titles, row, strict=True)
    ]
    sheet = arranged(
        [
            captioned(centred(tile, height, width), words, picture.caption)
            for tile, words, picture in zip(tiles, captions, pictures, strict=True)
        ],
        columns=len(titles),
    )
    return np.concatenate([sheet, legend(pictures, sheet.shape[1])])
