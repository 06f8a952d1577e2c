"""Passes over logits in blocks that fit the cache of a core."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**18
"""Elements of a block on the CPU; elsewhere all is one block."""


def blocks(logits: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Cut (N, C, P) into blocks of some images, or of some places of one image; one block off the CPU.

    Yields:
        Indices of a block: images, all channels, places.
    """
    images, classes, places = logits.shape
    room = max(1, BLOCK // max(classes, 1)) if logits.device.type == "cpu" else math.inf
    some_images = images if room == math.inf else max(1, int(room) // max(places, 1))
    some_places = places if some_images > 1 or room == math.inf else int(room)
    for first in range(0, images, max(some_images, 1)):
        for place in range(0, places, max(some_places, 1)):
            yield slice(first, first + some_images), slice(None), slice(place, place + some_places)


def raised_block(block: Tensor, valid: Tensor | None, here: tuple[slice, slice]) -> Tensor:
    """Return a block of logits in fp32 at least, with 0 at ignored places, even if NaN is there.

    Args:
        block: logits (N, C, P) of a block.
        valid: (N, P) boolean of the whole batch, None where everything counts.
        here: the images and places of the block.
    """
    block = block.to(torch.promote_types(block.dtype, torch.float32))
    return block if valid is None else _cleared(block, valid[here].unsqueeze(1))


def _cleared(values: Tensor, valid: Tensor) -> Tensor:
    """Return values with 0 where they are not valid, even if NaN is there.

    On the bits of fp32 or fp64 values, which is several times as fast as `torch.where`.
    """
    bits = torch.int64 if values.dtype == torch.float64 else torch.int32
    return (values.view(bits) & -valid.to(bits)).view(values.dtype)
