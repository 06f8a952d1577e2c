"""Commands beside training: `python -m dltools list [GROUP]`."""

from __future__ import annotations

import argparse
import os
import sys

from dltools.commands import cache, completion, doctor, listing, show

COMMANDS = (listing, doctor, show, cache, completion)


def main() -> None:
    """Run a command; an error ends it with one paragraph, and with a traceback if HYDRA_FULL_ERROR=1."""
    parser = argparse.ArgumentParser(
        prog="dltools", description="Training itself is `python -m dltools.train`; its --help tells how."
    )
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        words = parsers.add_parser(command.NAME, help=command.HELP, description=command.__doc__)
        command.add(words)
        words.set_defaults(run=command.run)
    arguments = _parsed(parser)
    try:
        sys.exit(arguments.run(arguments))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        from dltools.cfgutils.explain import explain

        sys.exit(f"Error: {explain(error)}")


def _parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the arguments; words of the config may stand before, between and behind the options."""
    arguments, rest = parser.parse_known_args()
    if rest and (not hasattr(arguments, "words") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.words += rest
    return arguments


if __name__ == "__main__":
    main()
