"""Loaders that share the work of a node among trials and ranks."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from torch.utils.data import DataLoader

from dltools.cfgutils import NonNegativeFloat, NonNegativeInt, PositiveInt, component
from dltools.cfgutils.bytesize import ByteSize
from dltools.loaders.dataloader import Identity, TorchLoader
from dltools.loaders.node.loader import NodeLoader
from dltools.loaders.node.node import Node, free_memory


@component("loader", "node")
class SharedLoader(TorchLoader):
    """Batches of a service of the node, made once for all trials and ranks that ask for the same.

    The first that asks starts the service and says what it may take. The bytes are those of `torch`.
    """

    workers: PositiveInt | None = None
    """Worker processes of the node, however many trials there are; None takes the cores, less `reserve`."""
    reserve: NonNegativeInt = 1
    """Cores that are left to the trials."""
    budget: str | None = None
    """Memory for batches, such as 2GiB or 10% of what is free; None takes a quarter of that, at most 4 GB."""
    linger: NonNegativeFloat = 60.0
    """Seconds that the service stays after the last trial."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget is not None:
            ByteSize.parse(self.budget, "budget")

    def make(self, identity: Identity, epochless: bool, **options: Any) -> DataLoader[Any]:
        """Return a loader that asks the service."""
        budget = None if self.budget is None else ByteSize.parse(self.budget).bytes(whole=free_memory())
        return NodeLoader(
            **options,
            identity=identity(),
            key_of=itemgetter(1) if epochless else None,
            node=Node(workers=self.workers, reserve=self.reserve, budget=budget, linger=self.linger),
        )


@component("loader", "auto")
class AutoLoader(SharedLoader):
    """As `node` in a sweep and where several ranks train, else as `torch`."""

    shared: bool | None = None
    """Ask the service of the node; None does so in a sweep and on several ranks."""

    def make(self, identity: Identity, epochless: bool, **options: Any) -> DataLoader[Any]:
        """Return a loader of one kind or the other."""
        kind = SharedLoader if self.shared else TorchLoader
        return kind.make(self, identity, epochless, **options)
