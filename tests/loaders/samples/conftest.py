"""Samples to keep, and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dltools.loaders.samples import SampleStore

SIZE = 12


@pytest.fixture
def sample() -> Callable[[int], dict[str, Any]]:
    """A function that makes a sample of a size of its own."""
    return made


def made(index: int) -> dict[str, Any]:
    rng = np.random.default_rng(index)
    count = index % 4
    return {
        "image": rng.integers(0, 256, (20 + index, 31, 3), np.uint8),
        "mask": rng.integers(0, 5, (20 + index, 31), np.uint8),
        "boxes": rng.random((count, 4), np.float32),
        "labels": rng.integers(0, 9, count),
        "keypoints": rng.random((count, 5, 3), np.float32),
        "label": index,
        "scale": index / 3,
        "name": f"Bild {index}",
        "index": index,
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "samples"


@pytest.fixture
def store(root: Path) -> Callable[..., SampleStore]:
    """A function that opens a cache as another process would."""

    def opened(fingerprint: str = "a", size: int = SIZE, limit: str = "1GiB", name: str = "photos") -> SampleStore:
        return SampleStore(root / name, size, fingerprint, limit, about="Photos")

    return opened


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    """A function that compares samples to the bit."""

    def equal(found: Any, wanted: Any) -> bool:
        return list(found) == list(wanted) and all(
            type(found[key]) is type(value)
            and np.asarray(found[key]).dtype == np.asarray(value).dtype
            and np.array_equal(found[key], value)
            for key, value in wanted.items()
        )

    return equal
