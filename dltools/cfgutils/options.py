"""What can be chosen: components and presets of every group, with a line about each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dltools.cfgutils.index import index


@dataclass(frozen=True)
class Option:
    """One word that a group takes."""

    group: str
    name: str
    doc: str
    kind: str
    """`component` or `preset`."""


def presets_folder() -> Path:
    """Return the folder of presets: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(folders: Iterable[Path] = ()) -> list[Option]:
    """Return all options, sorted by group and name.

    Args:
        folders: further preset folders, such as the user's own.
    """
    found = [
        Option(group, name, entry.doc, "component")
        for group in index().groups()
        for name in index().names(group)
        if (entry := index().find(group, name)) is not None
    ]
    for folder in (presets_folder(), *folders):
        for file in sorted(folder.rglob("*.yaml")):
            group = file.parent.relative_to(folder).as_posix()
            if group != ".":
                found.append(Option(group, file.stem, first_comment(file), "preset"))
    return sorted(found, key=lambda option: (option.group, option.name))


def names_of(group: str) -> list[str]:
    """Return the sorted names that a group takes."""
    return [option.name for option in options() if option.group == group]


def first_comment(file: Path) -> str:
    """Return the first comment of a preset that is not a directive: its description."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
    return ""
