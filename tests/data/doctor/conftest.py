"""Photographs, no two the same, and findings as rows to compare."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.data.doctor import examine

PHOTO = load_sample_image("china.jpg")


@pytest.fixture
def photo():
    """Return part `number` of a photograph, (60, 80, 3) unless a size is asked for."""

    def cut(number: int, width: int = 80, height: int = 60):
        row, column = divmod(number, 100)
        return np.ascontiguousarray(PHOTO[row * 40 :][:height, column * 5 :][:, :width])

    return cut


@pytest.fixture
def save(photo):
    """Write part `number` of a photograph, or an array, and return the path."""

    def write(path: Path, content, **size):
        path.parent.mkdir(parents=True, exist_ok=True)
        array = photo(content, **size) if isinstance(content, int) else np.asarray(content)
        Image.fromarray(array).save(path)
        return path

    return write


@pytest.fixture
def found():
    """Return what is found in a data set: severity, kind, split, index and message."""

    def rows(provider, **options):
        report = examine(provider, **options)
        return [
            (finding.severity.value, finding.kind.value, finding.split, finding.index, finding.message)
            for finding in report.findings
        ]

    return rows
