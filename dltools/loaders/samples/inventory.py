"""Which caches of samples there are."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltools.loaders.samples.index_file import count_records, create_index

INDEX, ABOUT, REMOVED = "index", "about.json", ".removed-"


@dataclass(frozen=True)
class Cache:
    """A cache as it is now."""

    name: str
    """Its folder."""
    samples: int
    """Samples that are kept."""
    size: int
    """Samples that there are."""
    bytes: int
    """What it takes of the disk."""
    data: str
    """What the samples are of."""
    created: float
    """When it was begun, in seconds since 1970."""
    used: float
    """When a process last opened it."""

    @property
    def is_complete(self) -> bool:
        """Whether no sample is missing."""
        return 0 < self.size == self.samples


def caches_in(root: Path) -> list[Cache]:
    """Return the caches in a folder by name; those that vanish meanwhile, or cannot be read, are left out."""
    caches = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.is_dir() and not folder.name.startswith("."):
            try:
                caches.append(_cache(folder))
            except OSError:
                continue
    return caches


def create(folder: Path, size: int, fingerprint: str, about: str) -> None:
    """Make the folder of a cache without samples.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir()
    (folder / ABOUT).write_text(json.dumps({"data": about, "created": time.time()}), "utf-8")
    create_index(folder / INDEX, size, fingerprint)


def discard(folder: Path) -> None:
    """Remove a cache. It loses its name first, so that nobody finds half of it; who has it open may go on reading.

    Raises:
        OSError: it cannot be removed.
    """
    aside = folder.with_name(f"{REMOVED}{secrets.token_hex(8)}")
    os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def clear_leftovers(root: Path) -> None:
    """Remove what removals that were cut off have left."""
    for folder in root.glob(f"{REMOVED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _cache(folder: Path) -> Cache:
    samples, size = count_records(folder / INDEX) if (folder / INDEX).is_file() else (0, 0)
    about = _about(folder / ABOUT)
    statuses = [entry.stat(follow_symlinks=False) for entry in os.scandir(folder)]
    changed = folder.stat().st_mtime
    return Cache(
        name=folder.name,
        samples=samples,
        size=size,
        bytes=sum(min(status.st_size, status.st_blocks * 512) for status in statuses),
        data=str(about.get("data", "")),
        created=float(about.get("created", changed)),
        used=(folder / ABOUT).stat().st_mtime if about else changed,
    )


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text("utf-8"))
        return about if isinstance(about, dict) and isinstance(about.get("created", 0.0), float) else {}
    except (OSError, ValueError):
        return {}
