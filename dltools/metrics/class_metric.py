"""The base of metrics of classes and labels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from dltools.cfgutils import FieldError
from dltools.metrics.base import NamedClassesMetric
from dltools.mode import Mode


@dataclass(kw_only=True, eq=False, repr=False)
class ClassMetric(NamedClassesMetric):
    """Base of metrics of classes that exclude each other (multiclass) or labels that hold or not.

    In mode binary there is one label, the last of the classes that the data names.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass, Mode.binary, Mode.multilabel)
    """What a subclass can read."""

    mode: Mode = Mode.multiclass
    """One class for each place (multiclass), one label (binary), or several (multilabel)."""
    ignore_index: int | None = None
    """Target value whose places are not counted; None counts all."""

    def __post_init__(self) -> None:
        """Check the mode and the number of classes, and make the state."""
        if self.mode not in self.modes:
            names = " or ".join(mode.value for mode in self.modes)
            raise FieldError("mode", f"must be {names}, got {self.mode.value}")
        if self.mode is Mode.binary:
            if self.num_classes not in (None, 1, 2):
                raise FieldError("num_classes", f"must be 2, 1 or left out in mode binary, got {self.num_classes}")
            self.refuse("average", "in mode binary, where there is one label to average")
        elif self.num_classes is None:
            raise FieldError("num_classes", "must be given where no data tells it")
        elif self.mode is Mode.multiclass and self.num_classes < 2:
            raise FieldError("num_classes", f"must be at least 2, got {self.num_classes}")
        super().__post_init__()

    @property
    def size(self) -> int:
        """Number of classes, or of labels: 1 in mode binary."""
        return 1 if self.mode is Mode.binary or self.num_classes is None else self.num_classes

    def classes(self) -> list[int]:
        """Return the ids of the classes that have a value and count in the mean: all but an ignored one."""
        return [index for index in range(self.size) if self.mode is not Mode.multiclass or index != self.ignore_index]

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its id where it has none; the label of mode binary has id 1."""
        if self.mode is not Mode.binary:
            return super().class_name(index)
        return self.class_names[-1] if self.class_names else "1"

    def check_names(self) -> None:
        """Check that each class has a name if any has.

        Raises:
            FieldError: there are more or fewer.
        """
        if self.mode is not Mode.binary:
            super().check_names()
        elif self.class_names is not None and len(self.class_names) not in (1, 2):
            raise FieldError("class_names", f"must be 1 or 2 in mode binary, got {len(self.class_names)}")

    def refuse(self, field: str, where: str) -> None:
        """Refuse a value of a field that would change nothing.

        Raises:
            FieldError: the field is not as it is by default.
        """
        for known in fields(self):
            value = getattr(self, known.name)
            if known.name == field and value != known.default:
                raise FieldError(field, f"must be left out {where}, got {getattr(value, 'value', value)}")
