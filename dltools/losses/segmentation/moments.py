"""Sums of probabilities times given maps, without keeping more than the probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dltools.losses.blocks import blocks, raised_block
from dltools.losses.readings import LabelScores
from dltools.losses.scores import Scores


def sum_of_products(scores: Scores, maps: Tensor) -> Tensor:
    """Return the sum over the places of probability * map, (N, C); ignored places add nothing.

    Args:
        scores: N images, C channels.
        maps: (N, C, *spatial), finite, of any floating type and without gradient.
    """
    if isinstance(scores, LabelScores) or torch.compiler.is_compiling():
        return (scores.probability * maps.to(scores.probability.dtype)).flatten(2).sum(2)
    valid = None if scores.valid is None else scores.valid.flatten(1)
    return _Moments.apply(scores.logits.flatten(2), maps.flatten(2), valid)


class _Moments(torch.autograd.Function):
    """M_c = sum_x p_c m_c of a softmax p and maps m; with g its gradient, dL/dx_c = p_c (m_c g_c - sum p_k m_k g_k)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, maps: Tensor, valid: Tensor | None) -> Tensor:
        raised = torch.promote_types(logits.dtype, torch.float32)
        moments = logits.new_zeros(logits.shape[:2], dtype=raised)
        probability = torch.empty_like(logits, dtype=raised) if ctx.needs_input_grad[0] else None
        for at in blocks(logits):
            here = (at[0], at[2])
            block = raised_block(logits[at], valid, here)
            power = (block - block.amax(1, keepdim=True)).exp_()
            share = power.sum(1, keepdim=True).reciprocal_()
            if valid is not None:
                share *= valid[here].unsqueeze(1)
            kept = power if probability is None else probability[at]
            torch.mul(power, share, out=kept)
            moments[at[0]] += torch.mul(kept, maps[at], out=power).sum(2)
        ctx.save_for_backward(maps)
        ctx.probability, ctx.dtype = probability, logits.dtype
        return moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_moments: Tensor) -> tuple[Tensor | None, ...]:
        (maps,), probability = ctx.saved_tensors, ctx.probability
        gradient = torch.empty_like(probability, dtype=ctx.dtype)
        for at in blocks(probability):
            block = probability[at]
            pull = block * maps[at].to(block.dtype)
            pull *= of_moments[at[0]].unsqueeze(2)
            gradient[at] = pull.addcmul_(block, pull.sum(1, keepdim=True), value=-1)
        return gradient, None, None
