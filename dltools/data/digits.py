"""The scanned digits that scikit-learn ships: real data that needs no download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from dltools.cfgutils import NonNegativeInt, component
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.partition import stratified

DIGIT_NAMES = [str(digit) for digit in range(10)]


@component("data", "digits")
class Digits(Provider):
    """1,797 scanned digits of 43 people, 8x8 pixels, enlarged; ships with scikit-learn.

    Samples: `image` (size, size, 1) uint8, ink bright on black; `label` 0..9.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.
    """

    size: Annotated[int, Ge(8)] = 16
    """Side of the images in pixels; the scans of 8 pixels are enlarged by cubic interpolation."""
    val_fraction: Annotated[float, Interval(gt=0, lt=0.5)] = 0.1
    """Share of each class that goes to the validation split."""
    test_fraction: Annotated[float, Interval(gt=0, lt=0.5)] = 0.2
    """Share of each class that goes to the test split."""
    seed: NonNegativeInt = 0
    """Decides which scans go to which split."""

    class_names = DIGIT_NAMES
    in_channels = 1

    def _split(self, name: str) -> Split:
        scans, labels = load_scans()
        positions = partition(self.val_fraction, self.test_fraction, self.seed)[name]
        return DigitsSplit(scans[positions], labels[positions], self.size)

    def _content(self) -> Iterable[bytes]:
        return (array.tobytes() for array in load_scans())


class DigitsSplit(Split):
    """Scans (N, 8, 8) with values 0..16 and their labels, enlarged once."""

    def __init__(self, scans: NDArray[np.uint8], labels: NDArray[np.int64], size: int) -> None:
        self.images = np.stack([_enlarged(scan, size) for scan in scans])
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        return {"image": self.images[index][..., None].copy(), "label": int(self.labels[index]), "index": index}

    def column(self, key: str) -> list[int] | None:
        """Return the labels."""
        return self.labels.tolist() if key == "label" else None


@lru_cache(maxsize=1)
def load_scans() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the scans (1797, 8, 8) uint8, values 0..16, and their labels (1797,) int64."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.int64)


def partition(val_fraction: float, test_fraction: float, seed: int) -> dict[str, NDArray[np.int64]]:
    """Return the positions of each split among the scans: disjoint, and with the classes in the same proportions."""
    test, val, train = stratified(load_scans()[1], [test_fraction, val_fraction], seed)
    return dict(zip(SPLITS, (train, val, test), strict=True))


def _enlarged(scan: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a scan of values 0..16 as a (size, size) grey image of values 0..255."""
    grey = cv2.resize(scan.astype(np.float32) * (255 / 16), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
