"""Folders and files of a data set, and the errors that name what is missing."""

from __future__ import annotations

from pathlib import Path

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.faults import MissingError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name; hidden ones are left out.

    Raises:
        DataError: there is no such folder.
    """
    return sorted(entry for entry in _entries(folder) if entry.is_dir())


def images_in(folder: Path) -> list[Path]:
    """Return the image files in a folder, sorted by name.

    Raises:
        DataError: there is no such folder.
    """
    return files_in(folder, tuple(IMAGE_SUFFIXES))


def files_in(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return the files in a folder whose names end so, sorted by name; hidden ones are left out.

    Args:
        folder: where to look.
        endings: in lower case; the names may be in either.

    Raises:
        DataError: there is no such folder.
    """
    return [entry for entry in _entries(folder) if entry.name.lower().endswith(endings)]


def missing(path: Path, expected: str) -> DataError:
    """Return the error for a path that is not there: it names the first missing part and the nearest existing name.

    Args:
        path: what was looked for.
        expected: what would be right, such as `the folder train`.
    """
    while not path.parent.is_dir() and path.parent != path:
        path = path.parent
    names = [entry.name for entry in _entries(path.parent)]
    held = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return MissingError(
        f"data.root: there is no '{path}'; expected {expected}. '{path.parent}' holds {held or 'nothing'}."
        f"{did_you_mean(path.name, names)}"
    )


def no_images(folder: Path) -> DataError:
    """Return the error for a folder that should hold images."""
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    return MissingError(f"data.root: {folder} holds no image; expected files that end in {suffixes}.")


def stamp(path: Path) -> bytes:
    """Return name, size and time of a file, for fingerprints."""
    status = path.stat()
    return f"{path.name}:{status.st_size}:{status.st_mtime_ns}\n".encode()


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise missing(folder, f"the folder {folder.name}")
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
