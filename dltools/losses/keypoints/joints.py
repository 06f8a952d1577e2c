"""Pairs of predicted and true joints: shapes checked, absent joints masked, precision raised."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dltools.losses.precision import raised


class Joints(NamedTuple):
    """Predictions and truths that agree, both 0 where a joint is absent."""

    input: Tensor
    """(B, K, ...), fp32 or fp64."""
    target: Tensor
    """(B, K, ...) in the dtype of the input."""
    present: Tensor
    """(B, K), boolean."""


def map_pair(input: Tensor, target: Tensor) -> Joints:
    """Pair heat maps (B, K, h, w) with target maps of the same shape, in which absent joints are NaN.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    values = raised(input)
    if input.dim() != 4 or input.shape != target.shape:
        shapes = f"input {tuple(input.shape)} and target {tuple(target.shape)}"
        raise ValueError(f"heat maps must be (B, K, h, w) in input and target, got {shapes}")
    return _without_absent(values, target, ~target.isnan().flatten(2).any(2))


def point_pair(input: Tensor, target: Tensor, columns: int = 2) -> Joints:
    """Pair what was said of each joint, (B, K, columns), with its place (B, K, 2), which is NaN for absent joints.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    values = raised(input)
    if input.shape != (*target.shape[:2], columns) or target.shape != (*target.shape[:2], 2):
        shapes = f"{tuple(input.shape)} and target {tuple(target.shape)}"
        raise ValueError(f"points must be (B, K, {columns}) in input and (B, K, 2) in target, got input {shapes}")
    return _without_absent(values, target, ~target.isnan().any(2))


def _without_absent(values: Tensor, target: Tensor, present: Tensor) -> Joints:
    shown = present.reshape(present.shape + (1,) * (values.dim() - 2))
    return Joints(torch.where(shown, values, 0), torch.where(shown, target.to(values.dtype), 0), present)
