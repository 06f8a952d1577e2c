"""Commands beside training: `python -m dltools list [GROUP]`."""

from __future__ import annotations

import argparse
import os
import sys
from itertools import groupby

from dltools.cfgutils.completion import SCRIPT
from dltools.cfgutils.nearest import did_you_mean
from dltools.cfgutils.options import options


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(
        prog="dltools", description="Training itself is `python -m dltools.train`; its --help tells how."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="components and presets, with a line about each")
    listing.add_argument("group", nargs="?", help="one group, such as loss; all by default")
    commands.add_parser("completion", help='tab completion for bash: eval "$(python -m dltools completion)"')
    arguments = parser.parse_args()
    try:
        print(SCRIPT if arguments.command == "completion" else _list(arguments.group), flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _list(group: str | None) -> str:
    every = options()
    groups = {option.group for option in every}
    if group is not None and group not in groups:
        sys.exit(f"Error: {group!r} is no group.{did_you_mean(group, groups)} Groups: {', '.join(sorted(groups))}.")
    shown = [option for option in every if group in (None, option.group)]
    width = max(len(option.name) for option in shown)
    return "\n\n".join(
        "\n".join([name, *(f"  {option.name:<{width}}  {option.doc}" for option in members)])
        for name, members in groupby(shown, key=lambda option: option.group)
    )


if __name__ == "__main__":
    main()
