"""Groups of rows that do the same work, each imported when it is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from _measure import Step

from dltools.cfgutils.index import index
from dltools.metrics import MetricSet

MODULES = {"scikit-learn": "sklearn", "MONAI": "monai"}


@dataclass(frozen=True, eq=False)
class Row:
    """One way to do the work: `make(data)` gives the step that is timed."""

    library: str
    name: str
    make: Callable[[Any], Step]
    targets: Mapping[str, float] = field(default_factory=dict)
    """Labels of other rows, and the share of their time that this one may take."""

    @property
    def label(self) -> str:
        return f"{self.library} {self.name}"

    @property
    def is_there(self) -> bool:
        """Whether the libraries can be imported; the words `and` and `with` join several."""
        words = self.library.replace(" with ", " and ").split(" and ")
        return all(find_spec(MODULES.get(word, word)) for word in words)


class Group(NamedTuple):
    """Rows that do the same work; times are told as ratios to the first."""

    title: str
    data: Callable[[bool], Any]
    """Make the input, small where the argument is true."""
    rows: list[Row]
    rounds: int = 15
    """Rounds at most."""


def ours(names: str, kind: str = "classes", **options: Any) -> Callable[[Any], Step]:
    """Make an update of a set of our metrics, named as in a config: `iou+dice`."""

    def make(pair: Any) -> Step:
        metrics = {name: component(name)(**options) for name in names.split("+")}
        return partial(MetricSet(metrics).update, {kind: pair})

    return make


def component(name: str) -> Any:
    """Return a metric's class by the name that a config gives it."""
    entry = index().find("metric", name)
    assert entry is not None, name
    return getattr(importlib.import_module(entry.module), entry.target.rpartition(".")[2])
