"""Where things are kept that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return DLTOOLS_CACHE if that is set, else `dltools` in the user's folder of caches."""
    own = os.environ.get("DLTOOLS_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base, "dltools")
