"""Which code a process runs: workers that know another may not make its batches."""

from __future__ import annotations

import functools
import hashlib
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def own_code() -> str:
    """Return a hash of the packages that are loaded and not installed: their files, and when these were changed.

    It stays what it was when this process first asked, as the code does that it runs.
    """
    tops = {name.partition(".")[0] for name in list(sys.modules)} - {"__main__"}
    rows = (f"{file} {file.stat().st_mtime_ns}" for name in sorted(tops) for file in _files(name))
    return hashlib.blake2b("\0".join(rows).encode(), digest_size=8).hexdigest()


def _files(name: str) -> Iterator[Path]:
    """Yield the sources of a package or a module, none of installed ones."""
    path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    if path.suffix == ".py" and path.is_file() and not any(map(path.resolve().is_relative_to, _installed())):
        yield from _package(path.resolve().parent) if path.name == "__init__.py" else [path]


def _package(folder: Path) -> Iterator[Path]:
    """Yield the sources of a package and of those in it; folders of data are not looked into."""
    yield from sorted(folder.glob("*.py"))
    for inner in sorted(folder.iterdir()):
        if (inner / "__init__.py").is_file():
            yield from _package(inner)


@functools.cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {site.getusersitepackages()}
    return tuple(Path(folder).resolve() for folder in folders)
