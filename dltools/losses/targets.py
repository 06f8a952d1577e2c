"""Pairs of logits and targets: shapes checked, ignored places masked, precision raised."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import DataError
from dltools.losses.base import Mode


class Pair(NamedTuple):
    """Logits and targets that agree, with harmless values where nothing counts."""

    logits: Tensor
    """(N, C, *spatial), fp32 or fp64."""
    target: Tensor
    """(N, *spatial) int64 class ids, or (N, C, *spatial) values in 0..1 in the dtype of the logits."""
    valid: Tensor | None
    """Boolean in the shape of the target; None where everything counts."""


def class_pair(input: Tensor, target: Tensor, ignore_index: int | None) -> Pair:
    """Pair multiclass logits (N, C, *spatial) with class ids (N, *spatial) or (N, 1, *spatial) of any integer dtype.

    At ignored places the logits and ids become 0 and the gradient exactly 0, whatever the logits were.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a class id is neither in 0..C-1 nor ignored.
    """
    logits = raised(input)
    spatial = input.shape[2:]
    if input.dim() == target.dim() and target.shape[1:2] == (1,):
        target = target.squeeze(1)
    if input.dim() < 2 or input.shape[1] < 2 or target.shape != input.shape[:1] + spatial or not _holds_ids(target):
        rule = "multiclass takes input (N, C, *spatial) with C > 1 and integer target (N, *spatial)"
        raise _misfit(rule, input, target)
    ids, valid = target.long(), None
    if ignore_index is not None:
        valid = ids != ignore_index
        ids = torch.where(valid, ids, 0)
        logits = torch.where(valid.unsqueeze(1), logits, 0)
    classes, highest = input.shape[1], input.shape[1] - 1
    _check_range(ids, highest, f"class id must be in 0..{highest} ({classes} classes, ignore_index {ignore_index})")
    return Pair(logits, ids, valid)


def label_pair(input: Tensor, target: Tensor, mode: Mode, ignore_index: int | None, fill: float = 0.0) -> Pair:
    """Pair sigmoid logits with targets in 0..1, hard or soft, of any dtype.

    Mode multilabel takes both as (N, C, *spatial). Mode binary takes input (N, 1, *spatial), or without the channel
    (N,) and (N, H, W), and a target with or without its channel. At ignored places the logits become `fill`, the
    target 0 and the gradient exactly 0.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a target is neither in 0..1 nor ignored.
    """
    logits, values = raised(input), target
    if mode is Mode.binary:
        bare = logits.dim() == 1 or (logits.dim() == 3 and logits.shape[1] != 1)
        logits = logits.unsqueeze(1) if bare else logits
        values = values.unsqueeze(1) if values.dim() == logits.dim() - 1 else values
    if logits.shape != values.shape or logits.dim() < 2 or (mode is Mode.binary and logits.shape[1] != 1):
        raise _misfit(_LABEL_SHAPES[mode], input, target)
    values, valid = values.to(logits.dtype), None
    if ignore_index is not None:
        valid = values != ignore_index
        values = torch.where(valid, values, 0)
        logits = torch.where(valid, logits, fill)
    _check_range(values, 1, f"target must be in 0..1 in mode {mode.value} (ignore_index {ignore_index})")
    return Pair(logits, values, valid)


def soft_pair(input: Tensor, target: Tensor) -> Pair:
    """Pair multiclass logits with class probabilities of the same shape (N, C, *spatial), as mixup makes them.

    Raises:
        ValueError: shapes do not fit.
        DataError: a probability is not in 0..1.
    """
    logits = raised(input)
    if input.dim() < 2 or input.shape[1] < 2 or target.shape != input.shape:
        raise _misfit("class probabilities have the shape of the input, (N, C, *spatial) with C > 1", input, target)
    values = target.to(logits.dtype)
    _check_range(values, 1, "class probabilities must be in 0..1")
    return Pair(logits, values, None)


def raised(input: Tensor) -> Tensor:
    """Return a floating tensor in fp32 at least.

    Raises:
        ValueError: the tensor is not floating.
    """
    if not input.is_floating_point():
        raise ValueError(f"input must be floating, got {input.dtype} of shape {tuple(input.shape)}")
    return input if input.dtype == torch.float64 else input.float()


_LABEL_SHAPES = {
    Mode.binary: "binary takes input (N, 1, *spatial), (N, H, W) or (N,), and a target of the same places",
    Mode.multilabel: "multilabel takes input (N, C, *spatial) and target (N, C, *spatial)",
}


def _holds_ids(target: Tensor) -> bool:
    return not (target.is_floating_point() or target.is_complex())


def _misfit(rule: str, input: Tensor, target: Tensor) -> ValueError:
    shapes = f"input {tuple(input.shape)} and target {tuple(target.shape)} {target.dtype}"
    return ValueError(f"{rule}; got {shapes}")


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
