"""Masks as run lengths, which is all of them that a metric keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dltools.metrics.state import Rows


class Runs(NamedTuple):
    """A mask as the lengths of its runs down the columns, of zeros and ones in turn, zeros first: COCO's order."""

    height: int
    width: int
    lengths: list[int]

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return sum(self.lengths[1::2])


class RunTable(NamedTuple):
    """Masks of any number and sizes."""

    sizes: Tensor
    """Of each mask its height, width and number of runs, (n, 3) int64."""
    lengths: Tensor
    """Lengths of the runs of all masks, one mask after the other, (runs,) int64."""

    def areas(self) -> Tensor:
        """Return the number of pixels inside of each mask, (n,)."""
        counts = self.sizes[:, 2]
        mask = torch.repeat_interleave(counts)
        place = torch.arange(len(self.lengths), device=counts.device) - (counts.cumsum(0) - counts)[mask]
        return torch.zeros_like(counts).index_add_(0, mask, self.lengths * (place % 2))


class MaskRows(nn.Module):
    """Masks that are kept for later, as tables that grow."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = Rows(3, torch.int64)
        self.lengths = Rows(1, torch.int64)

    def add(self, runs: RunTable) -> None:
        """Add masks."""
        self.sizes.add(runs.sizes)
        self.lengths.add(runs.lengths.unsqueeze(1))

    def read(self) -> list[Runs]:
        """Return all masks in the order in which they were added."""
        lengths = self.lengths.read().flatten().tolist()
        masks, end = [], 0
        for height, width, count in self.sizes.read().tolist():
            start, end = end, end + count
            masks.append(Runs(height, width, lengths[start:end]))
        return masks


def run_table(masks: Sequence[Tensor]) -> RunTable:
    """Return the runs of masks, (n, H, W) each, anything but 0 being inside. Waits for the device."""
    if not masks:
        return RunTable(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    parts = [_runs(some) for some in masks]
    return RunTable(torch.cat([part.sizes for part in parts]), torch.cat([part.lengths for part in parts]))


def _runs(masks: Tensor) -> RunTable:
    masks = masks if masks.dtype == torch.bool else masks != 0
    number, height, width = masks.shape
    changed = torch.empty_like(masks, memory_format=torch.contiguous_format)
    torch.ne(masks[:, 1:], masks[:, :-1], out=changed[:, 1:])
    torch.ne(masks[:, 0, 1:], masks[:, -1, :-1], out=changed[:, 0, 1:])
    changed[:, 0, 0] = masks[:, 0, 0]
    place = _nonzero(changed.flatten())
    mask, pixel = place // (height * width), place % (height * width)
    # A run ends where the next begins, the last one at the end of its mask, for which each mask has one place more.
    places = height * width + 1
    last = torch.arange(number, device=masks.device) * places + height * width
    ends = torch.cat([mask * places + pixel % width * height + pixel // width, last]).sort().values
    counts = torch.bincount(mask, minlength=number) + 1
    lengths = ends.diff(prepend=ends.new_full((1,), -1))
    lengths[counts.cumsum(0) - counts] -= 1
    sides = [torch.full_like(counts, side) for side in (height, width)]
    return RunTable(torch.stack([*sides, counts], dim=1), lengths)


def _nonzero(values: Tensor) -> Tensor:
    """Return the places that hold, which numpy finds several times faster on a CPU."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(values.numpy()))
    return values.nonzero().squeeze(1)
