"""Does every preset compose?

python -m dltools.cfgutils.presets
"""

from __future__ import annotations

import sys
from pathlib import Path

from dltools.cfgutils.explain import explain
from dltools.cfgutils.options import presets_folder
from dltools.cfgutils.search_path import compose


def preset_choices(folder: Path) -> list[list[str]]:
    """Return the command line words that choose each preset file of a folder.

    A preset named like a task, or `<task>_<more>`, is composed with that task.
    """
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*.yaml")) if file.parent != folder]
    tasks = {file.stem for file in files if file.parts[0] == "task"}
    return [[*_task(file, tasks), _choice(file)] for file in files]


def main() -> None:
    """Compose every preset; tell of those that fail and exit with 1."""
    failures = 0
    choices = preset_choices(presets_folder())
    for words in choices:
        try:
            compose(words)
        except Exception as error:
            failures += 1
            print(f"{words[-1]}: {explain(error)}", file=sys.stderr)
    print(f"{len(choices) - failures} of {len(choices)} presets compose.")
    sys.exit(failures > 0)


def _task(file: Path, tasks: set[str]) -> list[str]:
    """Return the word that chooses the task of a preset; nothing where any will do."""
    named = file.stem if file.stem in tasks else file.stem.partition("_")[0]
    return [f"task={named}"] if named in tasks and file.parts[0] != "task" else []


def _choice(file: Path) -> str:
    return f"{file.parent.as_posix()}={file.stem}"


if __name__ == "__main__":
    main()
