"""Integers that name classes: the range that they lie in, and types that hold them."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.cfgutils import DataError

_WIDER = {
    torch.bool: torch.int16,
    torch.uint8: torch.int16,
    torch.int8: torch.int16,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}


def widened(ids: Tensor) -> Tensor:
    """Give 8-bit and unsigned ids a signed type in which 255 and -100 are themselves."""
    return ids.to(_WIDER.get(ids.dtype, ids.dtype))


def narrowed(ids: Tensor, low: int, high: int) -> Tensor:
    """Return ids limited to low..high, in the narrowest type of 16 bits at least that holds all of these.

    Narrow integers are counted and compared several times faster.
    """
    narrow = next(dtype for dtype in (torch.int16, torch.int32, torch.int64) if _holds(dtype, low, high))
    ids = widened(ids)
    if lie_within(ids, low, high):
        return ids.to(narrow)
    return ids.to(torch.promote_types(ids.dtype, narrow)).clamp(low, high).to(narrow)


def lie_within(ids: Tensor, low: int, high: int) -> bool:
    """Tell whether ids are known to lie in low..high, which costs less than to limit them; only known on a CPU.

    numpy finds an end in half the time that torch needs. Read as unsigned, ids below 0 are above all others, so that
    one end tells of both where all ids are at least 0.
    """
    if ids.device.type != "cpu" or ids.numel() == 0:
        return False
    values = ids.numpy()
    if low <= 0 and values.dtype.kind == "i" and values.view(f"u{values.itemsize}").max() <= high:
        return True
    return bool(low <= values.min() and values.max() <= high)


def first_stray(pred: Tensor, true: Tensor, classes: int) -> str:
    """Return words for the first id that is not in 0..C-1; there must be one."""
    for values, where in ((true, "target"), (pred, "preds")):
        wrong = values[(values < 0) | (values >= classes)]
        if len(wrong):
            return f"{wrong[0].item()} in {where}"
    raise AssertionError("an id was out of range, and now none is")


def stray_error(found: object, classes: int, ignore_index: int | None) -> DataError:
    """Return the error of ids out of range."""
    rule = f"class ids must be in 0..{classes - 1} ({classes} classes, ignore_index {ignore_index})"
    return DataError(f"{rule}, got {found}")


def _holds(dtype: torch.dtype, low: int, high: int) -> bool:
    return torch.iinfo(dtype).min <= low and high <= torch.iinfo(dtype).max
