"""Scenes of which everything is known: solid shapes, each with a mask id and a colour that no other has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

SIDES = (12, 26)
"""Least and largest side of an object in pixels."""
MARGIN = 3
"""From the ends of an object to its outer keypoints, in pixels."""


class Scenes:
    """A split of scenes with up to four rectangles or ellipses.

    Each object has five keypoints: its middle, and one near each of its ends, so that an object whose keypoints are all
    there has lost none of its ends.

    Args:
        size: height and width of a scene; None lets it differ.
        dtype: of the image.
        channels: of the image.
        rectangles: there are no ellipses.
        without: keys that the samples lack.
    """

    name = "train"

    def __init__(
        self,
        size: tuple[int, int] | None = (60, 72),
        dtype: Any = np.uint8,
        channels: int = 3,
        rectangles: bool = False,
        without: tuple[str, ...] = (),
        count: int = 50,
    ) -> None:
        self.size, self.dtype, self.channels, self.rectangles = size, dtype, channels, rectangles
        self.without = without
        self.count = count
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.read.append(index)
        rng = np.random.default_rng(index)
        height, width = self.size or rng.integers(50, 80, 2)
        mask = np.zeros((height, width), np.uint8)
        boxes, labels, keypoints = [], [], []
        for number in range(4):
            w, h = rng.integers(SIDES[0], SIDES[1], 2)
            x, y = rng.integers(0, width - w), rng.integers(0, height - h)
            if mask[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1].any():
                continue  # objects neither touch nor cover one another
            label = index * 4 + number
            if self.rectangles or rng.random() < 0.5:
                mask[y : y + h, x : x + w] = label + 1
            else:
                w, h = w // 2 * 2 + 1, h // 2 * 2 + 1
                w, h = min(w, width - x - (width - x + 1) % 2), min(h, height - y - (height - y + 1) % 2)
                cv2.ellipse(
                    mask, (int(x + w // 2), int(y + h // 2)), (int(w // 2), int(h // 2)), 0, 0, 360, label + 1, -1
                )
            rows, columns = np.nonzero(mask == label + 1)
            x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
            ends = [(x1 + MARGIN, cy), (x2 - MARGIN, cy), (cx, y1 + MARGIN), (cx, y2 - MARGIN)]
            boxes.append([x1, y1, x2, y2])
            labels.append(label)
            keypoints.append([(px, py, 2) for px, py in [(cx, cy), *ends]])
        sample = {
            "image": self.colours(mask),
            "index": index,
            "mask": mask,
            "boxes": np.array(boxes, np.float32).reshape(-1, 4),
            "labels": np.array(labels, np.int64),
            "keypoints": np.array(keypoints, np.float32).reshape(-1, 5, 3),
            "area": np.array([(mask == label + 1).sum() for label in labels], np.float32),
            "iscrowd": np.zeros(len(labels), bool),
        }
        return {key: value for key, value in sample.items() if key not in self.without}

    def colours(self, mask: np.ndarray) -> np.ndarray:
        """Return the image of a mask: each id in its colour."""
        top = np.iinfo(self.dtype).max
        table = np.random.default_rng(0).integers(top // 4, top, (256, self.channels), endpoint=True).astype(self.dtype)
        table[0] = 0
        return table[mask]


@pytest.fixture(scope="session")
def scenes() -> type[Scenes]:
    """The class of the scenes."""
    return Scenes


def plain(value: int, height: int = 40, width: int = 48, **targets: Any) -> dict[str, Any]:
    """Return a sample of one grey, in 16 bits so that shares can be read from it, with some targets."""
    image = np.full((height, width, 1), value, np.uint16)
    if "boxes" in targets:
        targets = {**targets, "boxes": np.array(targets["boxes"], np.float32).reshape(-1, 4)}
        targets.setdefault("labels", np.arange(len(targets["boxes"])))
    return {"image": image, "index": 0, **targets}


@pytest.fixture(scope="session", name="plain")
def _plain() -> Callable[..., dict[str, Any]]:
    """A function that makes a sample of one grey."""
    return plain
