"""Samples by weights that the user gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dltools.cfgutils import ConfigError, DataError, FieldError, PositiveInt, component
from dltools.data.array_files import ArrayFile
from dltools.data.base import Split
from dltools.data.composed import column_of
from dltools.data.samplers.base import Classes, Plan, SamplingRule
from dltools.data.samplers.drawn import Drawn


@component("sampler", "weighted")
class Weighted(SamplingRule):
    """Draws samples with replacement, in proportion to a weight: of a column of the data, or of a file.

        python -m dltools.train task=classification data=manifest data.root=photos sampler=weighted \\
            sampler.column=weight
        python -m dltools.train task=detection sampler=weighted sampler.file=weights.txt sampler.num_samples=2000

    Each sample is in an epoch as often as its weight asks, rounded up or down; one of weight 0 never is.
    """

    column: str | None = None
    """What holds the weight of each training sample: a column of a table, or a key of the samples."""
    file: str | None = None
    """File with a weight for each training sample, in their order: .npy, or else text with a number on each line."""
    num_samples: PositiveInt | None = None
    """Samples in an epoch; None takes as many as there are."""

    def __post_init__(self) -> None:
        if (self.column is None) == (self.file is None):
            raise FieldError("column", f"or file must be given, one of them, got {self.column!r} and {self.file!r}")

    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split."""
        name = "file" if self.column is None else "column"
        where = f"sampler.{name}={getattr(self, name)}"
        found = _read(Path(self.file), where) if self.file is not None else _column(split, str(self.column), where)
        weights = np.asarray(found)
        if weights.shape != (len(split),) or weights.dtype.kind not in "iuf":
            raise DataError(
                f"{where}: it holds {weights.dtype} of shape {weights.shape}; expected a number for each of the "
                f"{len(split)} training samples."
            )
        wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if len(wrong):
            raise DataError(
                f"{where}: the weight of sample {wrong[0]} is {weights[wrong[0]]}; weights must be finite and not "
                "negative."
            )
        if not weights.any():
            raise DataError(f"{where}: all weights are 0; there is nothing to draw.")
        return Drawn(weights / weights.max(), self.num_samples or len(split))


def _read(path: Path, where: str) -> ArrayLike:
    """Return the numbers of a file."""
    if not path.is_file():
        raise DataError(f"{where}: there is no such file; expected a weight for each training sample.")
    if path.suffix == ".npy":
        return ArrayFile(path).array
    try:
        return np.array(path.read_text("utf-8").split(), np.float64)
    except ValueError as error:
        raise DataError(f"{where}: {error}; expected a number on each line.") from error


def _column(split: Split, key: str, where: str) -> ArrayLike:
    """Return what each sample has under a key, as numbers; a cell of a table may be text."""
    values = split.column(key)
    if values is None:
        first = split[0]
        if key not in first:
            raise ConfigError(f"{where}: there is no such column; samples have {', '.join(first)}.")
        values = column_of(split, key)
    numbers = np.empty(len(values))
    for index, value in enumerate(values):
        try:
            numbers[index] = float(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: sample {index} has {value!r} there; expected a number.") from error
    return numbers
