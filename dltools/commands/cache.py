"""`dltools cache ls`, `dltools cache rm NAME`: samples that were decoded once and are kept on disk."""

from __future__ import annotations

import argparse
import json
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dltools.loaders.samples import Cache

NAME = "cache"
HELP = "decoded samples that are kept on disk: cache ls, cache rm NAME"
UNITS = {"min": "minutes", "h": "hours", "d": "days"}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|rm")
    shown = actions.add_parser("ls", help="the caches, what they hold and how much of the disk they take")
    shown.add_argument("--json", action="store_true", help="one JSON list instead of the table")
    gone = actions.add_parser("rm", help="remove caches; runs that use them go on without")
    which = gone.add_mutually_exclusive_group(required=True)
    which.add_argument("names", nargs="*", default=[], metavar="NAME", help="as `cache ls` shows them")
    which.add_argument("--all", action="store_true", help="every cache")
    which.add_argument("--older-than", type=_age, metavar="AGE", help="those not used for 30d, 12h or 45min")


def run(arguments: argparse.Namespace) -> int:
    """Print the caches, or remove some."""
    from dltools.loaders.samples import caches_in, samples_folder

    caches = caches_in(samples_folder())
    if arguments.action == "rm":
        _remove(arguments, caches)
    elif arguments.json:
        print(json.dumps([_plain(cache) for cache in caches], indent=2), flush=True)
    else:
        print("\n".join(_lines(caches)), flush=True)
    return 0


def _remove(arguments: argparse.Namespace, caches: list[Cache]) -> None:
    """Remove what is asked for and say how much that was."""
    from dltools.cfgutils.bytesize import readable
    from dltools.loaders.samples import clear_leftovers, discard, samples_folder

    chosen = _chosen(arguments, caches)
    for cache in chosen:
        discard(samples_folder() / cache.name)
    clear_leftovers(samples_folder())
    print(
        f"Removed {len(chosen)} of {len(caches)} caches, {readable(sum(cache.bytes for cache in chosen))}.", flush=True
    )


def _chosen(arguments: argparse.Namespace, caches: list[Cache]) -> list[Cache]:
    """Return the caches to remove.

    Raises:
        ConfigError: one of the names is none of theirs.
    """
    from dltools.cfgutils import ConfigError
    from dltools.cfgutils.nearest import did_you_mean

    if arguments.all:
        return caches
    if arguments.older_than is not None:
        return [cache for cache in caches if time.time() - cache.used > arguments.older_than]
    names = [cache.name for cache in caches]
    for name in arguments.names:
        if name not in names:
            raise ConfigError(f"There is no cache {name!r}.{did_you_mean(name, names)} `dltools cache ls` shows them.")
    return [cache for cache in caches if cache.name in arguments.names]


def _lines(caches: list[Cache]) -> list[str]:
    """Return a table and, below it, what all take together."""
    from dltools.cfgutils.bytesize import readable
    from dltools.loaders.samples import samples_folder

    if not caches:
        return [f"No samples are kept in {samples_folder()}; loader.cache=true keeps them."]
    rows = [("name", "samples", "size", "used", "data")]
    for cache in caches:
        held = str(cache.samples) if cache.is_complete else f"{cache.samples} of {cache.size}"
        rows.append((cache.name, held, readable(cache.bytes), f"{_span(time.time() - cache.used)} ago", cache.data))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, f"{readable(sum(cache.bytes for cache in caches))} in {samples_folder()}"]


def _plain(cache: Cache) -> dict[str, object]:
    return {
        "name": cache.name,
        "data": cache.data,
        "samples": cache.samples,
        "of": cache.size,
        "complete": cache.is_complete,
        "bytes": cache.bytes,
        "created": cache.created,
        "used": cache.used,
    }


def _span(seconds: float) -> str:
    """Return a time in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d+)(min|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be an age such as 30d, 12h or 45min, got {text!r}")
    return timedelta(**{UNITS[match[2]]: int(match[1])}).total_seconds()
