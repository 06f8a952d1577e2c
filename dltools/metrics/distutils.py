"""The states of all ranks as one: a single sum for everything that is counted, a single gathering for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dltools.distutils import gather_over_ranks, meeting_device, rank, sum_over_ranks, world_size
from dltools.metrics.state import Rows, State


@contextmanager
def merged(states: Sequence[State]) -> Iterator[None]:
    """Let states hold what all ranks added, while the block runs; after it each rank has its own again.

    Counts are summed in one collective, whatever their number, and are exact. That collective also tells how many rows
    each rank has; a second one, only where there are any, gathers rows and floating-point sums. Every rank must take
    part with the same states, also one that was given no batch.
    """
    if world_size() == 1 or not states:
        yield
        return
    modules = [module for state in states for module in state.modules()]
    buffers = [(module, name) for module in modules for name in module._buffers]
    before = [(module, name, module._buffers[name]) for module, name in buffers]
    tables = [(module, module.tables) for module in modules if isinstance(module, Rows)]
    try:
        _merge(buffers, [module for module, _ in tables])
        yield
    finally:
        for module, name, buffer in before:
            module._buffers[name] = buffer
        for module, own in tables:
            module.tables = own


def _merge(buffers: list[tuple[nn.Module, str]], tables: list[Rows]) -> None:
    counts = [(m, name) for m, name in buffers if not _buffer(m, name).is_floating_point()]
    sums = [(m, name) for m, name in buffers if _buffer(m, name).is_floating_point()]
    lengths = torch.zeros(world_size(), len(tables), dtype=torch.int64)
    lengths[rank()] = torch.tensor([len(table) for table in tables], dtype=torch.int64)
    packed = [*(_buffer(m, name) for m, name in counts), lengths]
    *totals, lengths = sum_over_ranks(_packed(packed)).split([part.numel() for part in packed])
    for (module, name), total in zip(counts, totals, strict=True):
        own = _buffer(module, name)
        module._buffers[name] = total.view_as(own).to(own.device)
    if sums or tables:
        _gather(sums, tables, lengths.view(world_size(), len(tables)).cpu())


def _gather(sums: list[tuple[nn.Module, str]], tables: list[Rows], lengths: Tensor) -> None:
    """Send the bits of sums and rows in one padded message from each rank to all."""
    heads = [_buffer(module, name).numel() for module, name in sums]
    widths = torch.tensor([table.width for table in tables], dtype=torch.int64)
    sizes = sum(heads) + (lengths * widths).sum(1)
    own = _packed([*(_buffer(m, name) for m, name in sums), *(table.read() for table in tables)])
    message = torch.nn.functional.pad(own, (0, int(sizes.max()) - len(own)))
    parts = [
        row.split([*heads, *(length * widths).tolist(), len(row) - int(size)])
        for row, length, size in zip(gather_over_ranks(message), lengths, sizes, strict=True)
    ]
    for position, (module, name) in enumerate(sums):
        of_ranks = torch.stack([part[position].view(torch.float64) for part in parts])
        buffer = _buffer(module, name)
        module._buffers[name] = of_ranks.sum(0).view_as(buffer).to(buffer.device)
    for position, table in enumerate(tables, start=len(sums)):
        rows = torch.cat([part[position] for part in parts]).view(table.dtype).reshape(-1, table.width)
        table.tables = [rows.to(table.tables[0].device) if table.tables else rows]


def _packed(tensors: list[Tensor]) -> Tensor:
    """Return the bits of 8-byte tensors in one row, where the ranks meet."""
    return torch.cat([tensor.to(meeting_device()).flatten().view(torch.int64) for tensor in tensors])


def _buffer(module: nn.Module, name: str) -> Tensor:
    buffer = module._buffers[name]
    assert buffer is not None
    return buffer
