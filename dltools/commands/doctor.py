"""`dltools doctor data=coco data.root=photos`: what is in a data set and what is wrong with it, without training."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dltools.data.doctor import Report
    from dltools.data.doctor.examination import Watch

NAME = "doctor"
HELP = "what is in a data set and what is wrong with it: doctor data=coco data.root=photos"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="as for training: data=NAME data.root=FOLDER ...")
    parser.add_argument("--all", action="store_true", help="show every finding and class, not the first few")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the report")
    parser.add_argument("--limit", type=_positive, metavar="N", help="read at most N samples of a split")
    parser.add_argument("--workers", type=_positive, metavar="N", help="threads that read; the cores by default")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 if there are errors, else 0."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # what it warns of is told in the report
    report = _report(arguments)
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False), flush=True)
    else:
        from rich.console import Console

        from dltools.data.doctor.page import PLAIN_WIDTH, show

        screen = Console(highlight=False)
        if not screen.is_terminal:
            screen = Console(highlight=False, width=PLAIN_WIDTH)
        show(report, screen, arguments.all)
    return 1 if report.errors else 0


def _report(arguments: argparse.Namespace) -> Report:
    from dltools.cfgutils import ConfigError, DataError
    from dltools.commands.parts import Parts

    for word in arguments.words:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word!r} is no KEY=VALUE; a data set is named as data=folder data.root={word}")
    parts = Parts(arguments.words)
    try:
        data = parts.data
    except DataError as error:
        from dltools.data.doctor.examine import unreadable

        return unreadable(parts.config.data["_target_"].rpartition(".")[2].removesuffix("Config"), error)
    from dltools.data.doctor import examine

    with _progress() as watch:
        return examine(data, workers=arguments.workers, limit=arguments.limit, watch=watch)


@contextmanager
def _progress() -> Iterator[Watch]:
    """Show a bar for each split on the terminal of the errors, if there is one, until all is read."""
    from rich import progress as bars
    from rich.console import Console

    screen = Console(file=sys.stderr)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=30),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(compact=True),
    )
    with bars.Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown:

        def watch(split: str, samples: int) -> Callable[[], None]:
            task = shown.add_task(split, total=samples)
            return lambda: shown.advance(task)

        yield watch


def _positive(word: str) -> int:
    if not word.isdecimal() or not int(word):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {word!r}")
    return int(word)
