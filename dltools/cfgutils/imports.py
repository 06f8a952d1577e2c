"""Modules with the user's own components, known before the config is composed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.index import index
from dltools.cfgutils.options import presets_folder


def add_imports(modules: Iterable[str], key: str = "imports") -> None:
    """Put the components of modules into the index.

    Raises:
        ConfigError: there is no such module.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for module in modules:
        try:
            index().add(module)
        except (ModuleNotFoundError, ValueError) as error:
            raise ConfigError(
                f"{key}=[{module}]: there is no module {module!r} here. It must lie in the folder where the command "
                "is typed, or in an installed package."
            ) from error


def imports_of(arguments: list[str]) -> list[str]:
    """Return the modules that a command line names, by `imports=[...]` or in a chosen preset's `imports:`."""
    folders = [presets_folder(), *config_folders(arguments)]
    found: list[str] = []
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        if key == "imports":
            found += [name for name in re.split(r"[\[\],\s'\"]+", value) if name]
            continue
        for folder in folders:
            file = folder / key / f"{value}.yaml"
            if value and file.is_file():
                found += _imports_in(file)
    return found


def is_override(argument: str) -> bool:
    """Tell whether a word of the command line is an override, such as `loss=dice`, and not a flag or its value."""
    return not argument.startswith("-") and (argument.startswith(("~", "+")) or "=" in argument)


def config_folders(arguments: list[str]) -> list[Path]:
    """Return the values of Hydra's `--config-dir` (`-cd`)."""
    folders = []
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in ("--config-dir", "-cd"):
            folders.append(Path(value or next(iter(arguments[position + 1 :]), ".")))
    return folders


def _imports_in(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    if not re.search(r"^imports:", text, re.MULTILINE):
        return []
    return list(yaml.safe_load(text).get("imports") or [])
