"""`dltools list [GROUP]`: components and presets."""

from __future__ import annotations

import argparse
from itertools import groupby

from dltools.cfgutils import ConfigError
from dltools.cfgutils.nearest import did_you_mean
from dltools.cfgutils.options import options

NAME = "list"
HELP = "components and presets, with a line about each"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("group", nargs="?", help="one group, such as loss; all by default")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    print(listing(arguments.group), flush=True)
    return 0


def listing(group: str | None) -> str:
    """Return the options of a group, or of all, with a line about each.

    Raises:
        ConfigError: there is no such group.
    """
    every = options()
    groups = {option.group for option in every}
    if group is not None and group not in groups:
        raise ConfigError(f"{group!r} is no group.{did_you_mean(group, groups)} Groups: {', '.join(sorted(groups))}.")
    shown = [option for option in every if group in (None, option.group)]
    width = max(len(option.name) for option in shown)
    return "\n\n".join(
        "\n".join([name, *(f"  {option.name:<{width}}  {option.doc}" for option in members)])
        for name, members in groupby(shown, key=lambda option: option.group)
    )
