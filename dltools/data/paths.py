"""Paths that annotation files name, kept inside of the data."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from dltools.cfgutils import DataError
from dltools.data.faults import LeadsOutError


def inside(root: str | os.PathLike[str], path: str, source: object, outside: bool = False) -> Path:
    """Return the path of a file that an annotation file names, relative to the root of the data.

    Backslashes count as slashes. Nothing is said about whether there is such a file.

    Args:
        root: folder of the data.
        path: what the annotation file says.
        source: where it says so, such as a file and a line; stands in errors.
        outside: allow files out of the root: absolute paths, `..` and links that lead elsewhere.

    Raises:
        DataError: the path is empty or holds a null character; or it leads out of the root, and `outside` is false.
    """
    if not path.strip() or "\0" in path:
        raise DataError(f"{source}: {path!r} is no path; expected the path of a file below {root}.")
    joined = Path(root, path.replace("\\", "/"))
    if outside:
        return joined
    if PureWindowsPath(path).anchor or ".." in joined.parts[len(Path(root).parts) :]:
        raise _leads_out(path, source, root)
    if not Path(os.path.realpath(joined)).is_relative_to(os.path.realpath(root)):
        raise _leads_out(path, source, root, f" by a link to '{os.path.realpath(joined)}'")
    return joined


def _leads_out(path: str, source: object, root: str | os.PathLike[str], how: str = "") -> DataError:
    return LeadsOutError(
        f"{source}: '{path}' leads out of the data in '{root}'{how}; expected a path below it. "
        "If you trust the file, set data.outside=true."
    )
