"""Samples that are told instead of read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dltools.data.base import Sample, Split


class Told(Split):
    """Samples of plain values, one dict for each; a column is told only where it is said to be known."""

    name = "train"

    def __init__(self, samples: list[Sample], known: tuple[str, ...] = ()) -> None:
        self.samples = samples
        self.known = known
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        return {"image": np.zeros((4, 4, 3), np.uint8), "index": index, **self.samples[index]}

    def column(self, key: str) -> list[Any] | None:
        return [sample[key] for sample in self.samples] if key in self.known else None


@pytest.fixture
def told() -> type[Told]:
    """A split of given samples."""
    return Told
