"""A scanned digit at its place in a scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CORNERS = np.array([[0, 0], [-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) / 2
"""The five keypoints in the digit's own frame, whose side is 1 and whose centre is the origin."""

INK = 0.4
"""Least share of ink, of 1, at which a pixel belongs to a digit."""


@dataclass(frozen=True)
class PlacedDigit:
    """A digit at its place: ink (size, size) in 0..1, number of its pixels, keypoints (5, 3) and label."""

    ink: cv2.typing.MatLike
    area: int
    keypoints: NDArray[np.float32]
    label: int

    @classmethod
    def at(
        cls, source: NDArray[np.float32], label: int, centre: NDArray[np.float64], scale: float, angle: float, size: int
    ) -> PlacedDigit:
        """Put an enlarged scan at a centre, its frame `scale` wide and turned by `angle` degrees clockwise as seen."""
        radians = np.deg2rad(angle)
        turn = scale * np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
        # From indices of the enlarged scan to indices of the scene; the centre of pixel 0 lies at coordinate 0.5.
        step = turn / len(source)
        shift = centre - 0.5 + step @ np.full(2, 0.5 - len(source) / 2)
        ink = cv2.warpAffine(source, np.column_stack([step, shift]), (size, size), flags=cv2.INTER_LINEAR)
        points = CORNERS @ turn.T + centre
        keypoints = np.column_stack([points, np.full(len(points), 2.0)]).astype(np.float32)
        return cls(ink, int(np.count_nonzero(ink > INK)), keypoints, int(label))


def enlarged(scan: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the ink of a scan, 0..1, four times as large."""
    return np.clip(cv2.resize(scan.astype(np.float32) / 16, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), 0, 1)


def extent(side: float, degrees: float) -> float:
    """Return the side of the upright square around a turned square."""
    radians = np.deg2rad(degrees)
    return float(side * (abs(np.cos(radians)) + abs(np.sin(radians))))
