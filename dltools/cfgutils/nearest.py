"""The nearest right name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'dice'?` for the known names nearest to `word`, or an empty string."""
    near = get_close_matches(word, list(known), n=3, cutoff=0.5)
    if not near:
        return ""
    return f" Did you mean {' or '.join(repr(name) for name in near)}?"
