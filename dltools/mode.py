"""What the channels of class scores mean: a word that losses and metrics share."""

from __future__ import annotations

from enum import Enum


class Mode(str, Enum):
    """What the channels of the logits mean."""

    binary = "binary"
    """One channel: foreground or not (sigmoid)."""
    multiclass = "multiclass"
    """C channels of which one holds at each place (softmax)."""
    multilabel = "multilabel"
    """C channels that hold or not independently (sigmoid)."""
