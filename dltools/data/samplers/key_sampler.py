"""The keys of an epoch's samples."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from dltools.data.samplers.base import Plan


class KeySampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), so that a sample's randomness needs nothing but its key, whichever worker makes it.

    Args:
        plan: which samples, in which order.
        seed: of the order.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.plan)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the keys of the current epoch."""
        yield from ((self.epoch, int(index)) for index in self.plan.order(self.seed, self.epoch))
