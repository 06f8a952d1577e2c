"""The base of every metric: a state that batches are added to, and a value made of it when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from dltools.cfgutils import FieldError, PositiveInt
from dltools.metrics.state import Reading, State
from dltools.module import ConfigModule
from dltools.table import numbered


@dataclass(kw_only=True, eq=False, repr=False)
class Metric(ConfigModule):
    """Base of metrics, with the method names of torchmetrics, so that one of its metrics can stand beside.

    A subclass says which state it reads; in a `MetricSet` metrics whose states would be equal share one.
    Values that are undefined (0 / 0, such as a class that never occurs) are NaN and are left out of means; where
    nothing is defined the mean is NaN.
    """

    name: ClassVar[str]
    """Key of the metric's own value where `compute` returns a dict, in which keys that go on from it share its name."""
    kind: ClassVar[str] = "classes"
    """Which of a policy's outputs the metric reads: `classes`, `values`, `boxes`, `keypoints`, ..."""
    higher_is_better: ClassVar[bool | None] = True
    """Which way is better, which a checkpoint, a stopper and a plateau schedule need to know; None: neither."""

    def __post_init__(self) -> None:
        """Make the state."""
        self.state: Any = self.make_state()

    def make_state(self) -> State:
        """Return a new state of what this metric reads."""
        raise NotImplementedError

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch.

        Raises:
            ValueError: shapes or dtypes are not what this metric takes.
            DataError: a value must not occur.
        """
        self.state.update(Reading(preds, target))

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the value of everything added since the last reset: a scalar, a table (R, C), or a dict of them."""
        raise NotImplementedError

    def axes(self, rows: int, columns: int) -> tuple[list[str], list[str]]:
        """Return the names of the rows and columns of a table of that size; numbers, unless a subclass knows better."""
        return numbered(rows, columns)

    def reset(self) -> None:
        """Forget everything that was added."""
        self.state.reset()


@dataclass(kw_only=True, eq=False, repr=False)
class NamedClassesMetric(Metric):
    """Base of metrics of classes that have names."""

    num_classes: PositiveInt | None = None
    """Number of classes; None takes it from the data."""
    class_names: list[str] | None = None
    """Names of the classes in the keys of their values; None takes those of the data, or the ids."""

    def __post_init__(self) -> None:
        """Check the names and make the state."""
        self.check_names()
        super().__post_init__()

    def check_names(self) -> None:
        """Check that each class has a name if any has.

        Raises:
            FieldError: there are more or fewer.
        """
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise FieldError("class_names", f"must be num_classes = {self.num_classes}, got {len(self.class_names)}")

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its id where it has none."""
        return self.class_names[index] if self.class_names else str(index)


@dataclass(kw_only=True, eq=False, repr=False)
class PerClassMetric(NamedClassesMetric):
    """Base of metrics with a value for each class, which they can tell beside the overall one."""

    per_class: bool = False
    """Return the value of each class too, as `<name>/<class>`."""

    def told(self, overall: Tensor, values: Tensor, classes: Sequence[int] | None = None) -> Tensor | dict[str, Tensor]:
        """Return the overall value; with `per_class` a dict of it and the value of each class.

        Args:
            overall: scalar.
            values: one for each class, (C,).
            classes: ids of the classes that are told; None tells all.
        """
        if not self.per_class:
            return overall
        ids = range(len(values)) if classes is None else classes
        return {self.name: overall} | {f"{self.name}/{self.class_name(index)}": values[index] for index in ids}
