"""A batch as bytes: the tensors and arrays of any structure one after another, and a pickle of the rest behind them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import Tensor

_ALIGN = 64
_INLINE = 512
"""Bytes up to which a tensor goes with the rest."""


class Blob:
    """A batch, taken apart to be written.

    Attributes:
        parts: (from which byte, what) of what is to be written.
        start: byte at which the pickle begins.
        size: bytes in all.
    """

    def __init__(self, batch: Any) -> None:
        self.parts: list[tuple[int, Any]] = []
        self.start = 0
        self._places: dict[int, tuple[Any, int]] = {}
        rest = io.BytesIO()
        _Writer(rest, self).dump(batch)
        self.parts.append((self.start, rest.getbuffer()))
        self.size = self.start + len(self.parts[-1][1])

    def place(self, value: Any, data: Any) -> int:
        """Return the byte at which the data of a value will be; the same value has one place."""
        if id(value) not in self._places:
            self._places[id(value)] = (value, self.start)  # the value is held, so that its id stays its own
            self.parts.append((self.start, data))
            self.start += -(-len(data) // _ALIGN) * _ALIGN
        return self._places[id(value)][1]


def read_blob(memory: Any, start: int, size: int) -> Any:
    """Return the batch whose bytes are in a writable buffer; its tensors and arrays are views of it."""
    reader = _Reader(io.BytesIO(memoryview(memory)[start:size]))
    reader.memory = memory
    return reader.load()


class _Writer(cloudpickle.Pickler):
    """Pickles a batch without the data of its tensors and arrays."""

    def __init__(self, file: io.BytesIO, blob: Blob) -> None:
        super().__init__(file, protocol=5)
        self._blob = blob

    def persistent_id(self, value: Any) -> Any:
        if type(value) is Tensor and _is_plain(value):
            strides = value.stride()
            order = sorted(range(value.dim()), key=lambda axis: -strides[axis])
            dense = value.permute(order)  # channels_last and transposed ones go as they are
            data = dense.contiguous().reshape(-1).view(torch.uint8).numpy()
            kind = str(value.dtype).removeprefix("torch.")
            return "tensor", kind, tuple(dense.shape), tuple(np.argsort(order).tolist()), self._where(value, data)
        if type(value) is np.ndarray and value.dtype.kind in "biufcSUMm" and value.dtype.isnative:
            data = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
            return "array", value.dtype.str, value.shape, None, self._where(value, data)
        return None

    def _where(self, value: Any, data: Any) -> int | bytes:
        return data.tobytes() if len(data) <= _INLINE else self._blob.place(value, data)


class _Reader(pickle.Unpickler):
    """Reads such a pickle, with the data where they are."""

    memory: Any

    def persistent_load(self, place: Any) -> Any:
        what, kind, shape, order, where = place
        buffer, offset = (bytearray(where), 0) if isinstance(where, bytes) else (self.memory, where)
        count = int(np.prod(shape, dtype=np.int64))
        if what == "array":
            return np.frombuffer(buffer, kind, count, offset).reshape(shape) if count else np.empty(shape, kind)
        dtype = getattr(torch, kind)
        if not count:
            return torch.empty(shape, dtype=dtype).permute(order)
        flat = torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset)
        return flat.view(shape).permute(order)


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is its numbers and nothing else; others are pickled as torch does it."""
    plain = tensor.device.type == "cpu" and tensor.layout == torch.strided and not tensor.requires_grad
    return plain and not (tensor.is_quantized or tensor.is_conj() or tensor.is_neg())
