"""What metrics of the borders of masks share: one pass over a batch, with a row for each image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from dltools.cfgutils import FieldError
from dltools.metrics.base import PerClassMetric
from dltools.metrics.classes import ids_of
from dltools.metrics.ids import first_stray, stray_error
from dltools.metrics.ratio import mean_of_defined
from dltools.metrics.segmentation.outlines import Floats, Gaps, Ids, Masks
from dltools.metrics.state import Reading, Rows, State


@dataclass(frozen=True)
class Measure:
    """What is measured of the masks of an image; equal ones are measured once."""

    def __call__(self, masks: Masks) -> Floats:
        """Return the value of each class, (C,); NaN where it is neither predicted nor true."""
        raise NotImplementedError


@dataclass(frozen=True)
class GapMeasure(Measure):
    """Something measured of the distances between two outlines."""

    def __call__(self, masks: Masks) -> Floats:
        """Return the value of each class; where only one of both masks is there, it is the worst."""
        values = np.where(masks.in_either, self.worst(masks), np.nan)
        for index, gaps in masks.gaps.items():
            values[index] = self.of_gaps(gaps, index, masks)
        return values

    def of_gaps(self, gaps: Gaps, index: int, masks: Masks) -> float:
        """Return the value of a class of which both outlines are there."""
        raise NotImplementedError

    def worst(self, masks: Masks) -> float:
        """Return the value of a class of which one outline is missing: 0 is the worst score."""
        return 0.0


@dataclass(kw_only=True, eq=False, repr=False)
class Surfaces(State):
    """What was measured of the masks of each image: a row for each, C columns for each measure.

    Takes what `classes.ids_of` reads: logits (N, C, *spatial) or ids (N, *spatial), and target ids (N, *spatial), of
    images or volumes. It works on the CPU, and waits for another device.
    """

    num_classes: int
    """Number of classes C, 2 at least."""
    ignore_index: int | None = None
    """Target id whose pixels belong to no mask, predicted or true."""
    include_background: bool = False
    """Measure class 0 too."""
    spacing: tuple[float, ...] | None = None
    """Size of a pixel along each spatial dimension; None is 1."""

    def __post_init__(self) -> None:
        """Start without a measure."""
        self.measures: tuple[Measure, ...] = ()
        self.add_measures()

    @property
    def measured(self) -> list[int]:
        """The ids of the classes that are measured."""
        first = 0 if self.include_background else 1
        return [index for index in range(first, self.num_classes) if index != self.ignore_index]

    def add_measures(self, *measures: Measure) -> None:
        """Measure these too, from the first batch on."""
        self.measures = tuple(dict.fromkeys(self.measures + measures))
        self.rows = Rows(len(self.measures) * self.num_classes)

    def join(self, other: Surfaces) -> None:
        """Take over the measures of another state."""
        self.add_measures(*other.measures)

    def update(self, reading: Reading) -> None:
        """Measure the images of a batch."""
        pred, true = self._ids(reading)
        spacing = self._spacing(pred.ndim - 1)
        rows = np.full((len(pred), len(self.measures), self.num_classes), np.nan)
        for row, of_pred, of_true in zip(rows, pred, true, strict=True):
            masks = Masks(of_pred, of_true, self.num_classes, self.measured, spacing)
            for values, measure in zip(row, self.measures, strict=True):
                values[self.measured] = measure(masks)[self.measured]
        self.rows.add(torch.from_numpy(rows.reshape(len(pred), self.rows.width)))

    def values(self, measure: Measure) -> Tensor:
        """Return what a measure gave of each image and class, (N, C)."""
        rows = self.rows.read().view(-1, len(self.measures), self.num_classes)
        return rows[:, self.measures.index(measure)]

    def _ids(self, reading: Reading) -> tuple[Ids, Ids]:
        """Return predicted and true ids (N, *spatial), -1 where a pixel is ignored."""
        pred, true = ids_of(reading, self.num_classes)
        if true.dim() < 2:
            raise ValueError(f"masks must be (N, *spatial), got {tuple(true.shape)}")
        counted = torch.ones_like(true, dtype=torch.bool) if self.ignore_index is None else true != self.ignore_index
        stray = counted & ((pred < 0) | (pred >= self.num_classes) | (true < 0) | (true >= self.num_classes))
        if stray.any():
            found = first_stray(pred[stray], true[stray], self.num_classes)
            raise stray_error(found, self.num_classes, self.ignore_index)
        return pred.where(counted, -1).cpu().numpy(), true.where(counted, -1).cpu().numpy()

    def _spacing(self, dimensions: int) -> tuple[float, ...]:
        spacing = (1.0,) * dimensions if self.spacing is None else self.spacing
        if len(spacing) != dimensions:
            rule = f"spacing must have one value for each of {dimensions} spatial dimensions"
            raise ValueError(f"{rule}, got {list(spacing)}")
        return spacing


@dataclass(kw_only=True, eq=False, repr=False)
class SurfaceMetric(PerClassMetric):
    """Base of metrics of the borders of masks: a subclass says what it measures.

    Each class is measured in each image, in volumes (N, C, D, H, W) as in images. A class that is neither predicted nor
    true in an image is undefined there and left out; one that is only predicted, or only true, counts as worst. The
    value of a class is the mean over the images where it is defined, and the metric is the mean over the classes that
    have a value. Metrics of a set with the same options share one pass. Shapes and errors: `Surfaces`.

    The outline of a mask are its pixels with a direct neighbour (4 in an image, 6 in a volume) outside of it. A mask
    ends at the image's border, and at ignored pixels, which are of no mask.
    """

    num_classes: Annotated[int, Ge(2)] | None = None
    """Number of classes; None takes it from the data."""
    ignore_index: int | None = None
    """Target value whose pixels are of no mask, predicted or true; None counts all."""
    include_background: bool = False
    """Count class 0 as a class."""
    spacing: list[float] | None = None
    """Size of a pixel along each spatial dimension, in the order of the axes, such as millimetres; None is 1."""

    def __post_init__(self) -> None:
        """Check the fields and make the state."""
        if self.num_classes is None:
            raise FieldError("num_classes", "must be given where no data tells it")
        if self.spacing is not None and not all(0 < step < float("inf") for step in self.spacing):
            raise FieldError("spacing", f"must be positive numbers, got {list(self.spacing)}")
        super().__post_init__()

    @abstractmethod
    def measure(self) -> Measure:
        """Return what is measured of the masks of an image."""

    def make_state(self) -> Surfaces:
        """Return the state that measures it."""
        assert self.num_classes is not None
        state = Surfaces(
            num_classes=self.num_classes,
            ignore_index=self.ignore_index,
            include_background=self.include_background,
            spacing=None if self.spacing is None else tuple(float(step) for step in self.spacing),
        )
        state.add_measures(self.measure())
        return state

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the mean over classes, NaN where nothing is defined; with `per_class` each class's value too."""
        classes: Sequence[int] = self.state.measured
        values = mean_of_defined(self.state.values(self.measure()))
        return self.told(mean_of_defined(values[classes]), values, classes)
