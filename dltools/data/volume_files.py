"""Volumes in .npy and NIfTI files, read slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.data.faults import UndecodableError

ENDINGS = (".nii.gz", ".nii", ".npy")
"""Endings of the names of volumes; a mask may have another than its image."""


def stem_of(path: Path) -> str:
    """Return the name of a volume without its ending."""
    return next(path.name[: -len(ending)] for ending in ENDINGS if path.name.lower().endswith(ending))


def shape_of(path: Path) -> tuple[int, ...]:
    """Return the shape of a volume, from its header alone.

    Raises:
        DataError: the file cannot be read, or is not a volume of three axes and real numbers.
    """
    with _opened(path) as volume:
        if len(volume.shape) != 3 or volume.dtype.kind not in "iufb":
            raise DataError(f"{path} is {volume.dtype} {volume.shape}; a volume has three axes, and real numbers.")
        return tuple(volume.shape)


def slice_of(path: Path, axis: int, at: int) -> NDArray[Any]:
    """Return a slice (H, W) of a volume: the other two axes in order, in the numbers that the file means.

    Only the slice is read, but of a compressed file all that comes before it.

    Raises:
        DataError: the file cannot be read.
    """
    where = tuple(at if other == axis else slice(None) for other in range(3))
    with _opened(path) as volume:
        return np.array(volume[where])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Give what has shape and dtype, and reads what is taken out of it."""
    try:
        if path.name.lower().endswith(".npy"):
            yield np.lib.format.open_memmap(path, mode="r")
        else:
            yield _nifti(path).dataobj
    except FileNotFoundError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except DataError:
        raise
    except Exception as error:  # whatever the readers stumble over in a damaged file
        raise UndecodableError(f"{path} cannot be read: {error}; expected a whole volume.") from error


def _nifti(path: Path) -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise DataError(f"{path} is read with nibabel: pip install 'dltools[nifti]'.") from error
    return nibabel.load(path)
