"""Scores and targets that belong together: shapes checked, precision raised, ignored places told apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import DataError
from dltools.losses.precision import check_floating, raised
from dltools.mode import Mode


class Pair(NamedTuple):
    """Logits and targets that agree."""

    logits: Tensor
    """(N, C, *spatial), floating."""
    target: Tensor
    """(N, *spatial) int64 class ids, or (N, C, *spatial) values in 0..1 in fp32 at least; 0 at ignored places."""
    valid: Tensor | None
    """Boolean, (N, *spatial) for classes and (N, C, *spatial) for labels; None where everything counts."""


def id_pair(logits: Tensor, target: Tensor, ignore_index: int | None) -> Pair:
    """Pair multiclass logits (N, C, *spatial) with class ids (N, *spatial) or (N, 1, *spatial) of any integer dtype.

    The logits are left as they are, at ignored places too.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a class id is neither in 0..C-1 nor ignored.
    """
    check_floating(logits)
    ids = target.squeeze(1) if logits.dim() == target.dim() and target.shape[1:2] == (1,) else target
    if logits.dim() < 2 or logits.shape[1] < 2 or ids.shape != logits.shape[:1] + logits.shape[2:] or not _are_ids(ids):
        rule = "multiclass takes input (N, C, *spatial) with C > 1 and integer target (N, *spatial)"
        raise misfit(rule, logits, target)
    return Pair(logits, *_checked_ids(ids, logits.shape[1], ignore_index))


def label_pair(logits: Tensor, target: Tensor, mode: Mode, ignore_index: int | None) -> Pair:
    """Pair sigmoid logits with targets in 0..1, hard or soft, of any dtype.

    Mode multilabel takes both as (N, C, *spatial), or class ids (N, *spatial) of which each stands for the one label
    that holds. Mode binary takes input (N, 1, *spatial), or without the channel (N,) and (N, H, W), and a target with
    or without its channel. The logits are left as they are, at ignored places too.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a target is neither in 0..1 nor ignored.
    """
    check_floating(logits)
    given, values = logits, target
    if mode is Mode.binary:
        bare = logits.dim() == 1 or (logits.dim() == 3 and logits.shape[1] != 1)
        logits = logits.unsqueeze(1) if bare else logits
        values = values.unsqueeze(1) if values.dim() == logits.dim() - 1 else values
    elif logits.dim() == target.dim() + 1 and target.shape == logits.shape[:1] + logits.shape[2:] and _are_ids(target):
        return _of_ids(logits, target, ignore_index)
    if logits.shape != values.shape or logits.dim() < 2 or (mode is Mode.binary and logits.shape[1] != 1):
        raise misfit(_LABEL_SHAPES[mode], given, target)
    logits, valid = raised(logits), None
    values = values.to(logits.dtype)
    if ignore_index is not None:
        valid = values != ignore_index
        values = torch.where(valid, values, 0)
    _check_range(values, 1, f"target must be in 0..1 in mode {mode.value} (ignore_index {ignore_index})")
    return Pair(logits, values, valid)


def soft_pair(logits: Tensor, target: Tensor, ignore_index: int | None) -> Pair:
    """Pair multiclass logits with class probabilities of the same shape (N, C, *spatial), as mixup makes them.

    A place is ignored where all of its channels are `ignore_index`. The logits are left as they are there.

    Raises:
        ValueError: shapes do not fit.
        DataError: a probability is neither in 0..1 nor at an ignored place.
    """
    check_floating(logits)
    if logits.dim() < 2 or logits.shape[1] < 2 or target.shape != logits.shape:
        raise misfit("class probabilities have the shape of the input, (N, C, *spatial) with C > 1", logits, target)
    logits, valid = raised(logits), None
    values = target.to(logits.dtype)
    if ignore_index is not None:
        valid = (values != ignore_index).any(1)
        values = torch.where(valid.unsqueeze(1), values, 0)
    _check_range(values, 1, f"class probabilities must be in 0..1 (ignore_index {ignore_index})")
    return Pair(logits, values, valid)


def of_probabilities(pair: Pair, mode: Mode) -> Pair:
    """Return a pair of probabilities with logits in their place, whose softmax or sigmoid they are."""
    values, valid = raised(pair.logits), pair.valid
    if valid is not None:
        values = torch.where(valid if valid.dim() == values.dim() else valid.unsqueeze(1), values, 0.5)
    tiny = torch.finfo(values.dtype).tiny
    logits = values.clamp(min=tiny).log()
    if mode is not Mode.multiclass:
        logits = logits - (1 - values).clamp(min=tiny).log()
    return pair._replace(logits=logits)


def misfit(rule: str, input: Tensor, target: Tensor) -> ValueError:
    """Return the error that tells a rule of shapes and what was given instead."""
    return ValueError(f"{rule}; got input {tuple(input.shape)} and target {tuple(target.shape)} {target.dtype}")


_LABEL_SHAPES = {
    Mode.binary: "binary takes input (N, 1, *spatial), (N, H, W) or (N,), and a target of the same places "
    "(for C channels set mode=multilabel)",
    Mode.multilabel: "multilabel takes input (N, C, *spatial) and target (N, C, *spatial), or class ids (N, *spatial)",
}


def _are_ids(target: Tensor) -> bool:
    return not (target.is_floating_point() or target.is_complex())


def _checked_ids(target: Tensor, classes: int, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    """Return int64 class ids, 0 where they are ignored, and where they are not."""
    ids, valid = target.long(), None
    if ignore_index is not None:
        valid = ids != ignore_index
        ids = torch.where(valid, ids, 0)
    rule = f"class id must be in 0..{classes - 1} ({classes} classes, ignore_index {ignore_index})"
    _check_range(ids, classes - 1, rule)
    return ids, valid


def _of_ids(logits: Tensor, target: Tensor, ignore_index: int | None) -> Pair:
    ids, valid = _checked_ids(target, logits.shape[1], ignore_index)
    logits = raised(logits)
    values = torch.zeros_like(logits).scatter_(1, ids.unsqueeze(1), 1)
    if valid is not None:
        valid = valid.unsqueeze(1).expand_as(logits)
        values = torch.where(valid, values, 0)
    return Pair(logits, values, valid)


def _check_range(values: Tensor, highest: int, rule: str) -> None:
    """Refuse values outside 0..highest: at once on the CPU, by an assertion on the device elsewhere."""
    if values.numel() == 0:
        return
    low, high = torch.aminmax(values)
    inside = (low >= 0) & (high <= highest)
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        torch._assert_async(inside, rule)
    elif not inside:
        wrong = low if not low >= 0 else high
        raise DataError(f"{rule}, got {wrong.item()}")
