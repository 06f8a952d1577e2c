"""An open file that its last user closes."""

from __future__ import annotations

import os
from pathlib import Path


class Handle:
    """A descriptor that stays open as long as somebody holds this object, in whatever thread.

    Args:
        path: the file.
        flags: of `os.open`.

    Raises:
        OSError: it cannot be opened.
    """

    descriptor = -1

    def __init__(self, path: Path, flags: int) -> None:
        self.descriptor = os.open(path, flags, 0o600)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return os.fstat(self.descriptor).st_size

    @property
    def is_removed(self) -> bool:
        """Whether the file has no name any more."""
        return os.fstat(self.descriptor).st_nlink == 0

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
