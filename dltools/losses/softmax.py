"""The statistics of a softmax that losses over class ids are made of, in one pass over the logits.

With p the softmax of the logits and y the class ids, cross entropy, focal, Dice, Jaccard, Tversky and their like are
functions of log p_y at each place and of three sums for each image and class: of p, of p where y is the class, and
of p^2. Their gradient needs no more than p and the gradients g of these few numbers:

    dL/dx_c = p_c (u_c - sum_k p_k u_k - h) + [y = c] h      u_c = g_sum_c + 2 p_c g_square_c
                                                             h = g_log + p_y g_overlap_y
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dltools.losses.blocks import blocks, raised_block
from dltools.losses.precision import full_precision


class SoftmaxStatistics(NamedTuple):
    """What a pass over logits (N, C, P) gives; fp32, or fp64 for fp64 logits. Ignored places add nothing."""

    log_likelihood: Tensor
    """Logarithm of the probability of the true class, (N, P), 0 at ignored places."""
    predicted: Tensor
    """Sum of the probabilities of each class, (N, C)."""
    overlap: Tensor
    """Sum of the probabilities of each class at the places where it is true, (N, C)."""
    squares: Tensor
    """Sum of the squared probabilities, (N, C); zeros unless asked for."""


def softmax_statistics(logits: Tensor, ids: Tensor, valid: Tensor | None, squares: bool = False) -> SoftmaxStatistics:
    """Return the statistics of logits (N, C, P) and class ids (N, P), differentiable once with respect to the logits.

    In blocks that fit the cache, with one buffer of the size of the logits, which holds the probabilities until the
    backward pass turns it into the gradient. Half logits are raised block by block and their probabilities computed
    anew. While torch compiles, the same is said in plain operations that it can fuse.

    Args:
        logits: (N, C, P), of any floating type and memory format.
        ids: (N, P) int64 in 0..C-1, at ignored places too.
        valid: (N, P) boolean, or None where everything counts. Logits of ignored places may be anything.
        squares: compute the sums of squares too.
    """
    if torch.compiler.is_compiling():
        return _in_plain_operations(logits, ids, valid, squares)
    return SoftmaxStatistics(*_Statistics.apply(logits, ids, valid, squares))


class _Statistics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, ids: Tensor, valid: Tensor | None, squares: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raised = torch.promote_types(logits.dtype, torch.float32)
        images, classes, places = logits.shape
        log_likelihood, top, share = (logits.new_empty((images, places), dtype=raised) for _ in range(3))
        predicted, squared = (logits.new_zeros((images, classes), dtype=raised) for _ in range(2))
        # The overlap grows one place at a time, so that fp32 would lose the small ones.
        overlap = logits.new_zeros((images, classes), dtype=_widest(logits))
        keep = logits.dtype == raised and ctx.needs_input_grad[0]
        probability = torch.empty_like(logits) if keep else None
        with full_precision(logits.device.type):
            for at in blocks(logits):
                here = (at[0], at[2])
                block = raised_block(logits[at], valid, here)
                top[here] = block.amax(1)
                shifted = block - top[here].unsqueeze(1)
                of_truth = shifted.gather(1, ids[here].unsqueeze(1)).squeeze(1)
                power = shifted.exp_()
                total = power.sum(1)
                log_likelihood[here] = _at(of_truth - total.log(), valid, here)
                hit = _at(log_likelihood[here].exp(), valid, here).to(overlap.dtype)
                overlap[at[0]] += _sum_by_id(hit, ids[here], classes)
                share[here] = total.reciprocal() if valid is None else valid[here] / total
                predicted[at[0]] += torch.bmm(power, share[here].unsqueeze(2)).squeeze(2)
                if keep or squares:
                    out = probability[at] if probability is not None else power
                    torch.mul(power, share[here].unsqueeze(1), out=out)
                    if squares:
                        squared[at[0]] += out.square().sum(2)
        ctx.save_for_backward(logits, ids, valid, log_likelihood, top, share)
        ctx.probability = probability
        ctx.set_materialize_grads(False)
        if not squares:
            ctx.mark_non_differentiable(squared)
        return log_likelihood, predicted, overlap.to(raised), squared

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        of_log: Tensor | None,
        of_predicted: Tensor | None,
        of_overlap: Tensor | None,
        of_squares: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        logits, ids, valid, log_likelihood, top, share = ctx.saved_tensors
        # The kept probabilities become the gradient in place; a second backward pass computes them anew.
        probability, ctx.probability = ctx.probability, None
        gradient = torch.empty_like(logits) if probability is None else probability
        pull = torch.zeros_like(log_likelihood) if of_log is None else of_log
        if of_overlap is not None:
            pull = torch.addcmul(pull, log_likelihood.exp(), of_overlap.gather(1, ids))
        if valid is not None:
            pull = pull * valid
        with full_precision(logits.device.type):
            for at in blocks(logits):
                here = (at[0], at[2])
                if probability is None:
                    shifted = raised_block(logits[at], valid, here) - top[here].unsqueeze(1)
                    block = shifted.exp_().mul_(share[here].unsqueeze(1))
                else:
                    block = probability[at]
                slope = None if of_predicted is None else of_predicted[at[0]].unsqueeze(2)
                if of_squares is not None:
                    of_block = 2 * block * of_squares[at[0]].unsqueeze(2)
                    slope = of_block if slope is None else slope + of_block
                if slope is None:
                    block.mul_(-pull[here].unsqueeze(1))
                else:
                    mean = _mean(slope, block)
                    block.mul_(slope - (mean + pull[here]).unsqueeze(1))
                block.scatter_add_(1, ids[here].unsqueeze(1), pull[here].unsqueeze(1))
                if probability is None:
                    gradient[at] = block
        return gradient, None, None, None


def _mean(slope: Tensor, probability: Tensor) -> Tensor:
    """Return sum_c p_c u_c of slopes (N, C, 1 or P), (N, P)."""
    if slope.shape[2] == 1:
        return torch.bmm(slope.transpose(1, 2), probability).squeeze(1)
    return (slope * probability).sum(1)


def _in_plain_operations(logits: Tensor, ids: Tensor, valid: Tensor | None, squares: bool) -> SoftmaxStatistics:
    """Say the same so that a compiler makes a few loops of it: nothing is gathered or scattered."""
    raised = logits.to(torch.promote_types(logits.dtype, torch.float32))
    here = None if valid is None else valid.unsqueeze(1)
    if here is not None:
        raised = torch.where(here, raised, 0)
    true = ids.unsqueeze(1) == torch.arange(logits.shape[1], device=ids.device).view(-1, 1)
    true = true if here is None else true & here
    log_total = torch.logsumexp(raised, 1)
    log_likelihood = torch.where(true, raised, 0).sum(1) - log_total
    probability = torch.exp(raised - log_total.unsqueeze(1))
    if here is not None:
        log_likelihood = torch.where(here.squeeze(1), log_likelihood, 0)
        probability = probability * here
    predicted = probability.sum(2)
    overlap = torch.where(true, probability, 0).sum(2)
    squared = probability.square().sum(2) if squares else torch.zeros_like(predicted)
    return SoftmaxStatistics(log_likelihood, predicted, overlap, squared)


def count_ids(ids: Tensor, valid: Tensor | None, classes: int) -> Tensor:
    """Return how often each class occurs in each image, (N, C) int64, of ids (N, P); ignored places do not count."""
    one = ids.new_ones(()).expand_as(ids) if valid is None else valid.long()
    return _sum_by_id(one, ids, classes)


def _sum_by_id(values: Tensor, ids: Tensor, classes: int) -> Tensor:
    """Sum values (N, P) over the places of each id of an image, (N, C)."""
    region = ids + torch.arange(len(ids), device=ids.device).unsqueeze(1) * classes
    sums = values.new_zeros(len(ids) * classes).scatter_add_(0, region.flatten(), values.flatten())
    return sums.view(len(ids), classes)


def _at(values: Tensor, valid: Tensor | None, here: tuple[slice, slice]) -> Tensor:
    return values if valid is None else values * valid[here]


def _widest(like: Tensor) -> torch.dtype:
    return torch.float32 if like.device.type == "mps" else torch.float64
