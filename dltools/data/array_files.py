"""Arrays of numbers in .npy and .npz files, mapped into memory where they lie unpacked."""

from __future__ import annotations

import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.faults import MissingError, UndecodableError
from dltools.data.files import missing

LOCAL_HEADER = 30
"""Bytes of the header before each file in a zip archive, without its name and extra field."""


class ArrayFile:
    """An array in a file: opened when it is first looked at, once by each process; pickled as its path.

    Memory-mapped, except out of a compressed archive, which is unpacked. Python objects are never loaded.

    Args:
        path: a .npy file, or a .npz archive.
        key: name of the array in the archive.
    """

    def __init__(self, path: Path, key: str = "") -> None:
        self.path = path
        self.key = key

    def __str__(self) -> str:
        return f"{self.path}:{self.key}" if self.key else str(self.path)

    def exists(self) -> bool:
        """Return whether there is such a file and, of an archive, such an array in it."""
        if not self.key or not zipfile.is_zipfile(self.path):
            return self.path.is_file()
        with zipfile.ZipFile(self.path) as archive:
            return f"{self.key}.npy" in archive.namelist()

    @cached_property
    def array(self) -> NDArray[Any]:
        """The content, read-only.

        Raises:
            DataError: there is no such file or key, it is damaged, or it holds Python objects.
        """
        if not self.path.is_file():
            raise missing(self.path, f"the file {self.path.name}")
        try:
            array = self._in_archive() if self.key else np.lib.format.open_memmap(self.path, mode="r")
        except DataError:
            raise
        except Exception as error:  # whatever the readers stumble over in a damaged file
            raise UndecodableError(
                f"{self} cannot be read: {error}; expected an array of numbers by numpy.save."
            ) from error
        array.flags.writeable = False
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "key": self.key}

    def _in_archive(self) -> NDArray[Any]:
        with zipfile.ZipFile(self.path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if self.key not in names:
                raise MissingError(
                    f"{self.path} has no array {self.key!r}; it holds {', '.join(names) or 'nothing'}."
                    f"{did_you_mean(self.key, names)}"
                )
            member = archive.infolist()[names.index(self.key)]
            with archive.open(member) as file:
                if member.compress_type != zipfile.ZIP_STORED:
                    return np.lib.format.read_array(file, allow_pickle=False)
                shape, fortran, kind = _header(file)
                begin = file.tell()
        if kind.hasobject:
            raise ValueError("it holds Python objects")
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            local = file.read(LOCAL_HEADER)
        name, extra = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
        offset = member.header_offset + LOCAL_HEADER + name + extra + begin
        return np.memmap(self.path, kind, "r", offset, shape, "F" if fortran else "C")


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the format is unknown")
