"""Weights of the Lovasz extension of the Jaccard loss, by sorting or without.

With the errors in descending order the weight of each is what it adds to the Jaccard loss 1 - (G - F) / (G + N) of the
F foreground and N background places so far, of G foreground places in all (Berman et al. 2018, arXiv:1705.08790,
algorithm 1). Without sorting, errors are counted into bins. In a bin of f and n places, after F and N, the order is
arbitrary: each place gets the mean of the two orders that put foreground or background first,

    foreground: (1 / (G + N) + 1 / (G + N + n)) / 2      background: (G - F - f / 2) / ((G + N) (G + N + n))

which add up to what the bin adds. Without foreground all weights are 0.

A table of bins is (regions, 2, bins): background, then foreground, from the lowest error up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.distutils import sum_over_ranks

_ROWS = 16
"""Regions whose weights are computed at a time, few enough to stay in the cache."""


def bins_of(places: int, bounded: bool, over_ranks: bool) -> int:
    """Return how many bins serve a region; 0 where so few places are better sorted.

    Args:
        places: places of the region on this rank.
        bounded: no error is above 1.
        over_ranks: places of other ranks belong to it too, which need the same bins whatever they have.
    """
    fewest, most = (2**12, 2**14) if bounded else (2**14, 2**16)
    if over_ranks:
        return most
    return 0 if places < fewest else min(places if bounded else 2 * places, most)


def sorted_weights(error: Tensor, foreground: Tensor) -> Tensor:
    """Return the weight of each error (R, P), given which are of foreground places."""
    order = error.argsort(dim=1, descending=True, stable=True)
    hit = foreground.gather(1, order)
    total, seen = hit.sum(1, keepdim=True), hit.cumsum(1)
    left = (total - seen).to(error.dtype)
    before = (total - seen + hit + torch.arange(hit.shape[1], device=hit.device)).to(error.dtype)
    weight = torch.where(hit, 1 / before, left / (before * (before + 1)))
    return torch.zeros_like(error).scatter_(1, order, torch.where(total > 0, weight, 0))


def binned_weights(error: Tensor, foreground: Tensor, bins: int, bounded: bool, over_ranks: bool) -> Tensor:
    """Return the weight of each error (R, P) without sorting.

    Args:
        error: below 0 it counts as 0.
        foreground: which errors are of foreground places.
        bins: their number.
        bounded: no error is above 1.
        over_ranks: count the places of all ranks, which must have the same regions.
    """
    share = error.clamp(min=0)
    share = (share if bounded else share / (1 + share)).sqrt()
    row = torch.arange(len(error), device=error.device).unsqueeze(1) * 2 + foreground
    key = ((share * bins).long().clamp(0, bins - 1) + row * bins).flatten()
    counts = torch.zeros(len(error) * 2 * bins, dtype=torch.int32, device=error.device)
    counts = counts.scatter_add(0, key, torch.ones_like(key, dtype=torch.int32)).view(-1, 2, bins)
    counts = sum_over_ranks(counts) if over_ranks else counts
    return table_of_weights(counts, error.dtype).flatten().index_select(0, key).view(error.shape)


def table_of_weights(counts: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the weight of one place in each bin, given the number of places in each."""
    return torch.cat([_weights(rows, dtype) for rows in counts.split(_ROWS)])


def _weights(counts: Tensor, dtype: torch.dtype) -> Tensor:
    total = counts.sum(2, keepdim=True)
    above = (total - counts.cumsum(2)).to(dtype)
    size, background, foreground = total[:, 1].to(dtype), counts[:, 0], counts[:, 1]
    before = (size + above[:, 0]).clamp(min=1)
    after = before + background
    weight = torch.stack([(size - above[:, 1] - foreground / 2) / (before * after), (1 / before + 1 / after) / 2], 1)
    return weight * (total[:, 1:] > 0)
