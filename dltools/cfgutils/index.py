"""The index of components: the file tree itself, read without importing it.

Every `@component(group, name)` and `foreign(group, name, target, doc)` of a package is found by parsing
its source, so that options can be listed, completed and refused without importing torch.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A component as the source tells it."""

    group: str
    name: str
    module: str
    target: str
    doc: str


class Index:
    """Components of dltools, of installed packages that announce themselves, and of modules added by name."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self.modules: list[str] = []

    def add(self, module: str) -> None:
        """Scan a module or package, found by name and not imported.

        Raises:
            ModuleNotFoundError: there is no such module.
        """
        if module in self.modules:
            return
        self.modules.append(module)
        for name, file in _sources(module):
            for entry in _scan(name, file):
                self._entries[entry.group, entry.name] = entry

    def find(self, group: str, name: str) -> Entry | None:
        """Return the component of that name, or None."""
        return self._entries.get((group, name))

    def of_target(self, target: str) -> Entry | None:
        """Return the component of an import path, or None."""
        return next((entry for entry in self._entries.values() if entry.target == target), None)

    def names(self, group: str) -> list[str]:
        """Return the sorted names of a group's components."""
        return sorted(name for candidate, name in self._entries if candidate == group)

    def groups(self) -> list[str]:
        """Return the sorted groups that have a component."""
        return sorted({group for group, _ in self._entries})

    def targets(self) -> set[str]:
        """Return the import paths of all components."""
        return {entry.target for entry in self._entries.values()}


@lru_cache(maxsize=1)
def index() -> Index:
    """Return the index of this process, filled with dltools and the packages of entry point `dltools.components`."""
    filled = Index()
    filled.add("dltools")
    for point in entry_points(group="dltools.components"):
        filled.add(point.value)
    return filled


def _sources(module: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"There is no module {module!r} to take components from.", name=module)
    origin = Path(spec.origin)
    if origin.name != "__init__.py":
        yield module, origin
        return
    for file in sorted(origin.parent.rglob("*.py")):
        parts = file.relative_to(origin.parent).with_suffix("").parts
        dotted = ".".join((module, *parts))
        yield dotted.removesuffix(".__init__"), file


def _scan(module: str, file: Path) -> Iterator[Entry]:
    source = file.read_text(encoding="utf-8")
    if "component(" not in source and "foreign(" not in source:
        return
    for node in ast.parse(source, str(file)).body:
        if isinstance(node, ast.ClassDef):
            yield from _decorated(module, node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            texts = _texts(node.value, "foreign")
            if len(texts) == 4:
                group, name, target, doc = texts
                yield Entry(group, name, module, target, doc)


def _decorated(module: str, node: ast.ClassDef) -> Iterator[Entry]:
    for decorator in node.decorator_list:
        texts = _texts(decorator, "component")
        if len(texts) == 2:
            doc = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
            group, name = texts
            yield Entry(group, name, module, f"{module}.{node.name}", doc)


def _texts(node: ast.expr, function: str) -> list[str]:
    """Return the string arguments of a call of that function, or an empty list."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function):
        return []
    return [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
