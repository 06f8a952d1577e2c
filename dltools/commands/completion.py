"""`dltools completion`: the script for bash."""

from __future__ import annotations

import argparse

from dltools.cfgutils.completion import SCRIPT

NAME = "completion"
HELP = 'tab completion for bash: eval "$(python -m dltools completion)"'


def add(parser: argparse.ArgumentParser) -> None:
    """Declare no words."""


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPT, flush=True)
    return 0
