"""The keys of an epoch's samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from dltools.cfgutils import ConfigError
from dltools.data.samplers.base import Plan


class KeySampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), so that a sample's randomness needs nothing but its key, whichever worker makes it.

    All ranks go through one order, of which each takes every `world_size`-th sample from its own number on: together
    their k-th batches are the k-th batch of one rank with a batch `world_size` times as large.

    Where an epoch goes on is said by who trains, not counted here: loaders draw keys long before their batches are
    used. `consumed` are the samples of an epoch that training is done with, those of all ranks together, so a run may
    go on with another number of ranks, at the same sample.

    Args:
        plan: which samples, in which order.
        seed: of the order.
        rank: number of this rank.
        world_size: number of ranks.
        even: give all ranks equally many samples, as steps taken together need, and leave out the last of the order
            that are too few for all; else no sample is missing, and the first ranks may have one more than the others.

    Raises:
        ConfigError: there are too few samples for all ranks to have one, and they are to have equally many.
    """

    def __init__(self, plan: Plan, seed: int, *, rank: int = 0, world_size: int = 1, even: bool = False) -> None:
        if even and len(plan) < world_size:
            raise ConfigError(f"sampler: {len(plan)} training samples are too few for {world_size} ranks.")
        self.plan = plan
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.even = even
        self.epoch = 0
        self.consumed = 0

    def __len__(self) -> int:
        """Return the number of samples of a whole epoch on this rank, wherever it begins."""
        return len(self._part(0))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the keys of the current epoch that are left."""
        order = self.plan.order(self.seed, self.epoch)
        return ((self.epoch, int(order[place])) for place in self._part(self.consumed))

    def set_epoch(self, epoch: int, consumed: int = 0) -> None:
        """Choose the epoch to iterate over, and how many of its samples to leave out since they were trained on.

        Args:
            epoch: its number, from 0.
            consumed: samples of all ranks, from 0 to those in the plan.
        """
        if not 0 <= consumed <= len(self.plan):
            raise ValueError(f"consumed must be from 0 to {len(self.plan)}, got {consumed}.")
        self.epoch = epoch
        self.consumed = consumed

    def state_dict(self, consumed: int) -> dict[str, Any]:
        """Return where the current epoch is, in plain values.

        Args:
            consumed: samples of the epoch that training is done with, those of all ranks: steps times the batch size
                times the number of ranks.
        """
        return {"epoch": self.epoch, "consumed": consumed, "seed": self.seed, "samples": len(self.plan)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was taken, whatever number of ranks there was.

        Raises:
            ConfigError: the state is in the middle of an epoch of another order, by its seed or its number of samples.
        """
        here, there = (self.seed, len(self.plan)), (state["seed"], state["samples"])
        if state["consumed"] and here != there:
            raise ConfigError(
                f"resume: the run stopped in the middle of an epoch of {there[1]} samples drawn with seed {there[0]}; "
                f"now it has {here[1]} with seed {here[0]}. Resume with the data, sampler and data_seed it had."
            )
        self.set_epoch(state["epoch"], state["consumed"])

    def _part(self, start: int) -> range:
        """Return the places in the order that are this rank's, from a place on."""
        left = len(self.plan) - start
        stop = len(self.plan) - (left % self.world_size if self.even else 0)
        return range(start + self.rank, stop, self.world_size)
