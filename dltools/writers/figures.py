"""Images as files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import component
from dltools.writers.base import RunInfo, Writer


@component("writer", "figures")
class Figures(Writer):
    """Images as PNG files in the run folder; always on."""

    def open(self, run: RunInfo) -> None:
        """Remember the folder; it is made with the first image."""
        self._folder = run.folder

    def image(self, name: str, step: int, image: NDArray[np.uint8]) -> None:
        """Write `figures/<name>_<step>.png`."""
        save_png(figure_path(self._folder, name, step), image)


def figure_path(folder: Path, name: str, step: int) -> Path:
    """Return where a run folder keeps an image; slashes of the name become underscores."""
    return folder / "figures" / f"{name.replace('/', '_')}_{step}.png"


def save_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image beside its place and rename it, so that a reader never sees half of it.

    Args:
        path: file to write or replace; its folder is made.
        image: (H, W, 3) uint8, RGB.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    partial = path.with_suffix(".png.partial")
    partial.write_bytes(encoded.tobytes())
    os.replace(partial, path)
