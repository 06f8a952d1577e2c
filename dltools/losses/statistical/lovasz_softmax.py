"""The Lovasz extension of the Jaccard loss over softmax, without sorting and in blocks that fit the cache."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.distutils import sum_over_ranks
from dltools.losses.blocks import blocks, raised_block
from dltools.losses.gradients import with_gradient
from dltools.losses.statistical.jaccard_weights import table_of_weights


def lovasz_softmax(
    logits: Tensor, ids: Tensor, valid: Tensor | None, bins: int, pooled: bool, over_ranks: bool
) -> Tensor:
    """Return the Lovasz extension of each region, (N, C), or (1, C) if all images are one; differentiable once.

    With ranks the value is the share of this one. The errors and their weights are kept for the gradient.

    Args:
        logits: (N, C, P), of any floating type; those of ignored places may be anything.
        ids: (N, P) int64 in 0..C-1, at ignored places too.
        valid: (N, P) boolean, or None where everything counts.
        bins: number of bins of a region, 2^14 at most.
        pooled: all images are one region.
        over_ranks: count the places of all ranks.
    """
    images, classes, _ = logits.shape
    with torch.no_grad():
        error, hit, bin = _errors(logits, ids, valid, bins)
        # Where the bins of each image and class begin in the table, (N, C, 1).
        rows = torch.arange(classes if pooled else images * classes, device=logits.device) * 2 * bins
        rows = rows.view(-1, classes, 1).expand(images, -1, -1)
        counts = _counts(bin, rows, valid, 1 if pooled else images, bins)
        table = table_of_weights(sum_over_ranks(counts) if over_ranks else counts, error.dtype).flatten()
        weight = torch.empty_like(error)
        value = torch.zeros_like(rows[..., 0], dtype=error.dtype)
        for at in blocks(error):
            weight[at] = table.index_select(0, _keys(bin[at], rows[at[0]])).view(error[at].shape)
            value[at[0]] += (weight[at] * error[at]).sum(2)
        value = value.sum(0, keepdim=True) if pooled else value

    def gradient(of_value: Tensor) -> Tensor:
        scale = of_value.unsqueeze(2).expand(images, -1, -1)
        result = torch.empty_like(logits)
        for at in blocks(error):
            truth = ids[at[0], at[2]].unsqueeze(1)
            # The error of the true class is 1 - p, that of another class is p.
            probability = error[at].scatter(1, truth, hit[at[0], at[2]].unsqueeze(1))
            slope = weight[at] * scale[at[0]]
            slope.scatter_(1, truth, -slope.gather(1, truth))
            mean = (probability * slope).sum(1, keepdim=True)
            result[at] = slope.sub_(mean).mul_(probability)
        return result

    return with_gradient(logits, (value,), gradient)[0]


def _errors(logits: Tensor, ids: Tensor, valid: Tensor | None, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the error of each class (N, C, P), the true probability (N, P), and the bin of each error.

    Ignored places have errors of 0 in the lowest bin of the background.
    """
    error = torch.empty_like(logits, dtype=torch.promote_types(logits.dtype, torch.float32))
    hit = torch.empty_like(ids, dtype=error.dtype)
    # The bins of foreground follow those of background, and 2 * 2^14 just fit.
    bin = torch.empty_like(logits, dtype=torch.int16)
    for at in blocks(logits):
        here = (at[0], at[2])
        block, truth = torch.softmax(raised_block(logits[at], valid, here), 1), ids[here].unsqueeze(1)
        right, shift = block.gather(1, truth), torch.full_like(truth, bins, dtype=torch.int16)
        block.scatter_(1, truth, 1 - right)
        if valid is not None:
            counted = valid[here].unsqueeze(1)
            block, right, shift = block.mul_(counted), right.mul_(counted), shift.mul_(counted)
        error[at], hit[here] = block, right.squeeze(1)
        bin[at] = block.sqrt_().mul_(bins).to(torch.int16).clamp_(0, bins - 1).scatter_add_(1, truth, shift)
    return error, hit, bin


def _counts(bin: Tensor, rows: Tensor, valid: Tensor | None, groups: int, bins: int) -> Tensor:
    """Return how many valid places of each region are in each bin, (groups * C, 2, bins)."""
    classes = bin.shape[1]
    counts = torch.zeros(groups * classes * 2 * bins, dtype=torch.int32, device=bin.device)
    for at in blocks(bin):
        key = _keys(bin[at], rows[at[0]])
        counts.scatter_add_(0, key, torch.ones_like(key, dtype=torch.int32))
    counts = counts.view(groups, classes, 2, bins)
    if valid is not None:
        ignored = (~valid).sum(1, dtype=torch.int32)
        counts[:, :, 0, 0] -= (ignored if groups == len(valid) else ignored.sum(0, keepdim=True)).unsqueeze(1)
    return counts.flatten(0, 1)


def _keys(bin: Tensor, rows: Tensor) -> Tensor:
    return (bin + rows).flatten()
