"""torch's own DataLoader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from dltools.cfgutils import NonNegativeInt, OnError, PositiveInt, Probability, component
from dltools.cfgutils.bytesize import ByteSize
from dltools.loaders.tolerance import CollateRest, Tolerant

Identity = Callable[[], str | None]
"""Says what a data set is, files, transforms and code; None where that cannot be told."""


def _unknown() -> None:
    """Tell nothing."""


@component("loader", "torch")
class TorchLoader:
    """Batches by torch's DataLoader, the same for any number of workers."""

    batch_size: PositiveInt = 32
    """Samples in a training batch."""
    eval_batch_size: PositiveInt | None = None
    """Samples in an evaluation batch; None takes `batch_size`."""
    num_workers: NonNegativeInt = 0
    """Worker processes; 0 loads in the training process, which is quickest for data held in memory."""
    drop_last: bool = True
    """Leave out the last training batch when it is not full, unless it is the only one."""
    pin_memory: bool = False
    """Copy batches to page-locked memory, for a quicker way to a GPU."""
    prefetch: PositiveInt = 2
    """Batches that each worker prepares ahead."""

    on_error: OnError = OnError["raise"]
    """What becomes of a sample that cannot be read: the run ends (raise), or goes on without it (skip)."""
    max_skipped: Probability = 0.01
    """With on_error=skip, the largest share of a split that may be left out; more ends the run."""

    cache: bool = False
    """Keep decoded samples on disk for later epochs and runs; a photograph takes about 12 times its JPEG."""
    cache_limit: str | None = None
    """What all caches may take of the disk, such as 50GiB or 40%; None is 20 GiB, and 25 % of its room at most."""

    def __post_init__(self) -> None:
        if self.cache_limit is not None:
            ByteSize.parse(self.cache_limit, "cache_limit")

    def loader(
        self,
        dataset: Dataset[Any],
        collate: Callable[[list[Any]], Any],
        sampler: Sampler[Any],
        *,
        train: bool,
        identity: Identity = _unknown,
        epochless: bool = False,
    ) -> DataLoader[Any]:
        """Return a loader; with on_error=skip its batches tell under `SKIPPED` which samples they go without.

        Args:
            dataset: takes the keys that the sampler yields.
            collate: makes a batch of a list of samples.
            sampler: yields the keys of an epoch, (epoch, index).
            train: leave out an incomplete last batch.
            identity: says what the data set is, for loaders that share batches.
            epochless: a sample is the same in every epoch.
        """
        if self.num_workers == 0:
            cv2.setNumThreads(0)  # the cores are torch's while it trains in the same process
        if self.on_error is OnError.skip:
            dataset, collate = Tolerant(dataset), CollateRest(collate)
        size = len(sampler)  # type: ignore[arg-type]
        batch_size = self.batch_size if train else self.eval_batch_size or self.batch_size
        return self.make(
            identity,
            epochless,
            dataset=dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=collate,
            drop_last=train and self.drop_last and size >= batch_size,
            pin_memory=self.pin_memory,
            worker_init_fn=_start_worker,
            persistent_workers=self.num_workers > 0,
            prefetch_factor=self.prefetch if self.num_workers > 0 else None,
        )

    def make(self, identity: Identity, epochless: bool, **options: Any) -> DataLoader[Any]:
        """Return a loader of this kind.

        Args:
            identity: says what the data set is.
            epochless: a sample is the same in every epoch.
            **options: of torch's DataLoader.
        """
        return DataLoader(**options)


def _start_worker(worker: int) -> None:
    """Keep a worker on one core: more threads than processes only fight."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
