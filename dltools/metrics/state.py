"""What metrics accumulate: sums that add up and rows that line up, over batches and over ranks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from dltools.distutils import widest_float
from dltools.module import ConfigModule

T = TypeVar("T")


class Reading:
    """A batch as metrics see it, with what one of them has already worked out of it.

    Args:
        preds: what the policy offers as prediction.
        target: what it offers as truth.
    """

    def __init__(self, preds: Any, target: Any) -> None:
        self.preds = preds
        self.target = target
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave the first time that this key was asked for."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


class Rows(nn.Module):
    """A table that grows by every batch, on whatever device its rows are until it is read.

    Args:
        width: number of columns.
        dtype: of the table, `torch.int64` or `torch.float64` (float32 on devices without it).
    """

    def __init__(self, width: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.width = width
        self.dtype = dtype
        self.tables: list[Tensor] = []

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables)

    def add(self, table: Tensor) -> None:
        """Add rows (n, width)."""
        if table.dim() != 2 or table.shape[1] != self.width:
            raise ValueError(f"rows must be (n, {self.width}), got {tuple(table.shape)}")
        dtype = widest_float(table.device) if self.dtype.is_floating_point else self.dtype
        self.tables.append(table.detach().to(dtype))

    def read(self) -> Tensor:
        """Return all rows (n, width) in the order in which they were added, those of rank 0 first."""
        if not self.tables:
            return torch.zeros(0, self.width, dtype=self.dtype)
        self.tables = [torch.cat(self.tables)]
        return self.tables[0]

    def clear(self) -> None:
        """Forget all rows."""
        self.tables = []

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Rows:
        """Move the rows as buffers are moved."""
        self.tables = [fn(table) for table in self.tables]
        return super()._apply(fn, recurse)

    def get_extra_state(self) -> Tensor:
        """Return the rows, which `state_dict` keeps."""
        return self.read()

    def set_extra_state(self, state: Tensor) -> None:
        """Take rows back from a `state_dict`."""
        self.tables = [state]


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class State(ConfigModule):
    """Base of states: buffers that are sums, made by `add_sum`, and attributes that are `Rows`.

    Two states of one class with equal fields hold the same after the same batches, so that the metrics of a set share
    one. `update` adds to a state without waiting for the device.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return a buffer or a table, which `__post_init__` made."""

    @property
    def key(self) -> Hashable:
        """What tells this state from others."""
        return type(self), *(repr(getattr(self, field.name)) for field in dataclasses.fields(self))

    def add_sum(self, name: str, *shape: int, dtype: torch.dtype = torch.int64) -> None:
        """Make a buffer of zeros to which `update` adds: int64 for counts, which are exact, or float64."""
        self.register_buffer(name, torch.zeros(shape, dtype=dtype))

    def update(self, reading: Reading) -> None:
        """Add a batch.

        Raises:
            ValueError: shapes or dtypes are not what this state takes.
            DataError: a value must not occur.
        """
        raise NotImplementedError

    def join(self, other: Any) -> None:
        """Take over what a state of the same key, which this one is to stand for, was asked to keep."""

    def reset(self) -> None:
        """Forget everything that was added."""
        for module in self.modules():
            for buffer in module.buffers(recurse=False):
                buffer.zero_()
            if isinstance(module, Rows):
                module.clear()
