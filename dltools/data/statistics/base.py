"""What a statistic is: an accumulator of samples that merges with others of its kind."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from typing_extensions import Self

from dltools.data.base import Sample
from dltools.data.statistics.facts import Facts

Result = TypeVar("Result")


@dataclasses.dataclass(kw_only=True, eq=False)
class Accumulator(ABC, Generic[Result]):
    """Counts samples in one pass. Accumulators form a monoid: parts counted apart and merged equal the whole.

    Subclasses are keyword-only dataclasses: the fields that the constructor takes say what is counted, those with
    `init=False` hold what was counted. They can be pickled.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    """Keys that a sample must have."""

    def add(self, sample: Sample) -> None:
        """Count a sample.

        Raises:
            DataError: the sample lacks what is counted, or it is impossible; nothing was counted.
        """
        self.count(self.measure(sample if isinstance(sample, Facts) else Facts(sample)))

    def merge(self, other: Self) -> None:
        """Count what another accumulator has counted, which is left as it is.

        Raises:
            ValueError: the other is of another kind, or counts with other settings.
            DataError: the images of the two cannot be counted together.
        """
        if type(other) is not type(self) or other.settings != self.settings:
            raise ValueError(f"{self.describe()} cannot be merged with {other.describe()}; they must be of one kind.")
        self._merge(other)

    def empty(self) -> Self:
        """Return an accumulator with the same settings that has counted nothing."""
        return dataclasses.replace(self)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields that decide what is counted."""
        fields = dataclasses.fields(self)
        return {field.name: getattr(self, field.name) for field in fields if field.init and field.compare}

    def describe(self) -> str:
        """Return kind and settings in one line."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"

    @abstractmethod
    def measure(self, sample: Facts) -> Any:
        """Return what a sample adds, and change nothing.

        Raises:
            DataError: the sample lacks what is counted, or it is impossible.
        """

    @abstractmethod
    def count(self, measured: Any) -> None:
        """Add what `measure` returned; never fails."""

    @abstractmethod
    def result(self) -> Result:
        """Return the statistics of all that was counted, NaN where nothing was."""

    @abstractmethod
    def _merge(self, other: Self) -> None:
        """Add the state of an accumulator of the same kind."""
