"""What metrics of classes read of a batch: ids, labels that hold, scores. Worked out once for all of a set."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import DataError
from dltools.metrics.ids import lie_within, narrowed, stray_error, widened
from dltools.metrics.state import Reading
from dltools.mode import Mode

IGNORED = -1
STRAY = -2


class Labels(NamedTuple):
    """Which labels are predicted, which hold, and which count; boolean, (N, L, places)."""

    pred: Tensor
    true: Tensor
    valid: Tensor | None
    """None where all count."""


class Scores(NamedTuple):
    """A floating score of each class or label at each place, and the truth."""

    scores: Tensor
    """(N, C, places)."""
    truth: Tensor
    """int64. Of classes: ids (N, 1, places); of labels: 0 or 1, (N, C, places). `IGNORED` does not count; `STRAY` is
    an id out of range, which only devices other than a CPU let through."""


def ids_of(reading: Reading, classes: int) -> tuple[Tensor, Tensor]:
    """Return predicted and true ids of one shape (N, *spatial), in an integer type wide enough for any ignored id.

    Args:
        reading: preds logits (N, C, *spatial); or ids (N, *spatial) of an integer dtype; or, where C is 2, logits of
            class 1 alone, (N, 1, *spatial) or (N, *spatial), which predict it where they are positive. Target ids
            (N, *spatial) or (N, 1, *spatial) of an integer dtype.
        classes: number of classes C.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    return reading.once(("ids", classes), lambda: _ids(reading.preds, reading.target, classes))


def scored_ids_of(reading: Reading, classes: int) -> tuple[Tensor, Tensor]:
    """Return scores (N, C, places) as they are given, and true ids (N, places) of an integer dtype.

    Raises:
        ValueError: preds are not floating (N, C, *spatial), or target not integers (N, *spatial) or (N, 1, *spatial).
    """
    preds, target = reading.preds, reading.target
    true = target.squeeze(1) if target.dim() == preds.dim() > 1 else target
    fits = preds.is_floating_point() and preds.shape[1:2] == (classes,) and not true.is_floating_point()
    if not fits or true.shape != preds.shape[:1] + preds.shape[2:]:
        rule = f"preds must be floating scores (N, {classes}, *spatial), and target ids (N, *spatial)"
        raise ValueError(f"{rule}; got {_given(preds, target)}")
    return preds.unsqueeze(-1).flatten(2), widened(true.unsqueeze(-1).flatten(1))


def labels_of(reading: Reading, labels: int, threshold: float, from_logits: bool, ignore_index: int | None) -> Labels:
    """Return which labels are predicted, hold and count.

    Args:
        reading: preds (N, L, *spatial) of a floating dtype, of which those above the threshold are predicted, or
            decisions of an integer or boolean dtype; for one label also without its channel. Target 0, 1 or ignored,
            of any dtype, in the same places.
        labels: number of labels L.
        threshold: probability above which a label is predicted.
        from_logits: floating preds are logits, not probabilities.
        ignore_index: target value that is not counted; None counts all.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a target is neither 0, 1 nor ignored (told on a CPU only).
    """
    key = "labels", labels, threshold, from_logits, ignore_index
    return reading.once(key, lambda: _labels(reading, labels, threshold, from_logits, ignore_index))


def scores_of(reading: Reading, mode: Mode, classes: int, probable: bool, ignore_index: int | None) -> Scores:
    """Return scores and truth.

    Args:
        reading: preds (N, C, *spatial) of a floating dtype, for one label also without its channel. Target ids
            (N, *spatial) in mode multiclass, else 0, 1 or ignored, in the places of the preds.
        mode: what the channels of preds mean.
        classes: number of classes or labels C.
        probable: make probabilities of preds that are logits, in fp32 at least; otherwise preds are scores already.
        ignore_index: target value that is not counted; None counts all.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a target is out of range (told on a CPU only).
    """
    key = "scores", mode, classes, probable, ignore_index
    return reading.once(key, lambda: _scores(reading, mode, classes, probable, ignore_index))


def _ids(preds: Tensor, target: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    pred, true = preds, target
    if preds.is_floating_point() and not (classes == 2 and preds.shape == target.shape):
        true = target.squeeze(1) if target.dim() == preds.dim() > 1 else target
        if preds.shape[1:2] == (classes,):
            pred = _highest(preds)
        elif classes == 2 and preds.shape[1:2] == (1,):
            pred = preds.squeeze(1) > 0
    elif preds.is_floating_point():
        pred = preds > 0
    elif target.dim() == preds.dim() + 1:
        true = target.squeeze(1)
    if pred.is_floating_point() or true.is_floating_point() or pred.shape != true.shape:
        rule = f"preds must be logits (N, {classes}, *spatial) or ids (N, *spatial), and target ids (N, *spatial)"
        raise ValueError(f"{rule}; got {_given(preds, target)}")
    return widened(pred), widened(true)


def _highest(scores: Tensor) -> Tensor:
    """Return the first index of the highest score, or of the first NaN, along dimension 1.

    On a CPU the ways to it differ by a factor of ten.
    """
    if scores.dim() == 2 and scores.device.type == "cpu" and scores.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(scores.detach().numpy().argmax(1))
    return scores.max(dim=1).indices


def _labels(reading: Reading, labels: int, threshold: float, from_logits: bool, ignore_index: int | None) -> Labels:
    pred, true = _channelled_pair(reading, labels)
    true, valid = _held(true, ignore_index)
    if pred.is_floating_point():
        pred = pred > (_logit(threshold) if from_logits else threshold)
    return Labels(pred if pred.dtype is torch.bool else pred != 0, true, valid)


def _scores(reading: Reading, mode: Mode, classes: int, probable: bool, ignore_index: int | None) -> Scores:
    if mode is Mode.multiclass:
        scores, true = scored_ids_of(reading, classes)
        truth = true.long().unsqueeze(1)
        stray = (truth < 0) | (truth >= classes)
        valid = None if ignore_index is None else truth != ignore_index
        stray = stray if valid is None else stray & valid
        if stray.device.type == "cpu" and stray.any():
            raise stray_error(f"{truth[stray][0]} in target", classes, ignore_index)
        truth = truth.masked_fill(stray, STRAY)
    else:
        scores, given = _channelled_pair(reading, classes)
        if not scores.is_floating_point():
            raise ValueError(f"preds must be floating scores, got {_given(reading.preds, reading.target)}")
        held, valid = _held(given, ignore_index)
        truth = held.long()
    truth = truth if valid is None else truth.masked_fill(~valid, IGNORED)
    scores = scores.detach()
    if probable:
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.softmax(1) if mode is Mode.multiclass else scores.sigmoid()
    return Scores(scores, truth)


def _channelled_pair(reading: Reading, labels: int) -> tuple[Tensor, Tensor]:
    """Return preds and target as (N, L, places); a single label may come without its channel."""
    pair = reading.preds, reading.target
    if labels == 1:
        longest = max(given.dim() for given in pair)
        pair = tuple(g.unsqueeze(1) if g.dim() < longest or g.shape[1:2] != (1,) else g for g in pair)
    preds, target = pair
    if preds.shape != target.shape or preds.shape[1:2] != (labels,):
        rule = f"preds and target must be (N, {labels}, *spatial)"
        raise ValueError(f"{rule}, got {_given(reading.preds, reading.target)}")
    return preds.unsqueeze(-1).flatten(2), target.unsqueeze(-1).flatten(2)


def _held(target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    """Return which labels hold, and which count.

    Raises:
        DataError: a target is neither 0, 1 nor ignored (told on a CPU only).
    """
    if not target.is_floating_point() and ignore_index not in (0, 1) and lie_within(target, 0, 1):
        return target.to(torch.bool), None
    outer = 0 if ignore_index is None else ignore_index
    true = target if target.is_floating_point() else narrowed(target, min(0, outer) - 1, max(1, outer) + 1)
    held, valid = true == 1, None if ignore_index is None else true != ignore_index
    if true.device.type == "cpu":
        strange = (true != 0) & ~held if valid is None else (true != 0) & ~held & valid
        if strange.any():
            found = target[strange][0].item()
            raise DataError(f"a target of labels must be 0 or 1 (ignore_index {ignore_index}), got {found}")
    return held if valid is None else held & valid, valid


def _logit(probability: float) -> float:
    if probability in (0, 1):
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def _given(preds: Tensor, target: Tensor) -> str:
    return f"preds {tuple(preds.shape)} {preds.dtype} and target {tuple(target.shape)} {target.dtype}"
