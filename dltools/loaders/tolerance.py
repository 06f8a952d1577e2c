"""Samples that cannot be read, left out of their batches and told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from dltools.cfgutils import SampleError

SKIPPED = "skipped"
"""Key of a batch: reasons by index of the samples that it goes without. A batch may have nothing else."""


@dataclass(frozen=True)
class Skipped:
    """Stands for a sample that could not be made."""

    index: int
    """Position of the one that cannot be read: the sample, or another that a transform mixes into it."""
    reason: str
    """What is wrong with it."""


class Tolerant(Dataset[Any]):
    """A data set that gives `Skipped` where a sample cannot be read; errors of transforms still end the run."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        """Return the number of samples, those that cannot be read among them."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Any:
        """Return a sample or `Skipped`."""
        try:
            return self.dataset[key]
        except SampleError as error:
            return Skipped(error.index, error.reason)


class CollateRest:
    """Makes a batch of the samples that could be read, with the others under `SKIPPED`.

    Args:
        collate: makes a batch of a list of samples.
    """

    def __init__(self, collate: Callable[[list[Any]], dict[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> dict[str, Any]:
        """Return a batch."""
        skipped = {sample.index: sample.reason for sample in samples if isinstance(sample, Skipped)}
        rest = [sample for sample in samples if not isinstance(sample, Skipped)]
        return {**(self.collate(rest) if rest else {}), SKIPPED: skipped}
