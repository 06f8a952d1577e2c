"""The base of losses over class scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import FieldError
from dltools.losses.base import Elements, Loss, Measure, summed
from dltools.losses.readings import read
from dltools.losses.scores import Reading, Scores
from dltools.mode import Mode


@dataclass(kw_only=True, eq=False, repr=False)
class ClassLoss(Loss):
    """Base of losses over class scores: a subclass says what its elements cost, given what all terms share.

    Input and target by mode. multiclass: input (N, C, *spatial) with C > 1, target (N, *spatial) class ids of any
    integer dtype, or (N, C, *spatial) class probabilities, ignored where all channels are so. binary: input
    (N, 1, *spatial), (N, H, W) or (N,), target of the same places. multilabel: both (N, C, *spatial); or class ids
    (N, *spatial) as target, each for the one label that holds. Labels are 0, 1 or between, of any dtype.

    Raises ValueError for wrong shapes or dtypes, DataError for a target out of range.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass, Mode.binary, Mode.multilabel)
    """What a subclass can read; the first is what it reads where neither user nor task say."""
    needs_squares: ClassVar[bool] = False
    """Whether the loss reads sums of squares."""
    reads_distance_maps: ClassVar[bool] = False
    """Whether the loss takes signed distance maps of the data pipeline."""
    from_logits: bool = True
    """The input holds logits; if false, probabilities."""
    ignore_index: int | None = None
    """Target value whose places are left out as if they were cut away; None leaves out nothing."""
    class_weight: list[float] | None = None
    """Weight of each class, one for each channel; None weighs all alike."""

    def __post_init__(self) -> None:
        """Check the mode and the class weights and make their buffer."""
        super().__post_init__()
        self._mode: Mode = getattr(self, "mode", None) or self.modes[0]
        if self._mode not in self.modes:
            raise FieldError("mode", f"must be {' or '.join(self.modes)}, got {self._mode.value}")
        self._keep_per_channel("class_weight")

    @property
    def reading(self) -> Reading:
        """How the loss reads scores; terms that read alike share what is computed of them."""
        return Reading(self._mode, self.ignore_index, self.from_logits)

    def of_scores(self, scores: Scores) -> Elements:
        """Return the weighted loss of each element, and the weights."""
        raise NotImplementedError

    def measure_scores(self, scores: Scores) -> Measure:
        """Return the sum of the weighted losses and the sum of the weights."""
        return summed(self.of_scores(scores))

    def elements(self, input: Tensor, target: Tensor, distance_maps: Tensor | None = None) -> Elements:
        """Return the weighted loss of each element, and the weights."""
        return self.of_scores(self._read(input, target, distance_maps))

    def measure(self, *pair: Tensor) -> Measure:
        """Return the sum of the weighted losses and the sum of the weights."""
        return self.measure_scores(self._read(*pair))

    def per_channel(self, field: str, channels: int) -> Tensor | None:
        """Return a field of one value a channel as (C,), None where it is None.

        Raises:
            FieldError: there is not one value for each of the channels.
        """
        values = self._buffers[f"_{field}"]
        if values is not None and len(values) != channels:
            raise FieldError(field, f"must have {channels} values, one a channel, got {len(values)}")
        return values

    def _read(self, input: Tensor, target: Tensor, distance_maps: Tensor | None = None) -> Scores:
        return read(input, target, self.reading, self.needs_squares, distance_maps)

    def _keep_per_channel(self, field: str) -> None:
        """Check a field of one value a channel and make its buffer, which moves with the module and is not saved."""
        values = getattr(self, field)
        if values is not None and not (sum(values) > 0 and all(0 <= value < math.inf for value in values)):
            raise FieldError(field, f"must be finite, not negative and not all zero, got {list(values)}")
        buffer = None if values is None else torch.tensor(values, dtype=torch.float32)
        self.register_buffer(f"_{field}", buffer, persistent=False)

    def _refuse_class_weight(self, instead: str) -> None:
        """Refuse class weights where they would cancel out: with a single channel."""
        if self._mode is Mode.binary and self.class_weight is not None:
            raise FieldError("class_weight", f"must be None in mode binary, where it cancels out; {instead}")
