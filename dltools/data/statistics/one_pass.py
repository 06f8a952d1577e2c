"""One pass over a data set, for any number of statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from dltools.cfgutils import DataError, OnError, noting
from dltools.data.base import Sample
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts

RANGE = 32
"""Samples that are counted together before they are merged: the same for any number of workers, as results are."""


class Samples(Protocol):
    """Samples by position, each opened when it is asked for."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """Return a sample."""


@dataclass(kw_only=True)
class Collected:
    """What a pass has counted."""

    accumulators: dict[str, Accumulator[Any]]
    """The statistics by name; each can be merged with that of another split."""
    samples: int = 0
    """How many samples were counted."""
    skipped: dict[int, str] = field(default_factory=dict)
    """What was wrong with the samples that were not, by index."""

    @property
    def results(self) -> dict[str, Any]:
        """What the statistics say, by name."""
        return {name: accumulator.result() for name, accumulator in self.accumulators.items()}

    def merge(self, other: Collected) -> None:
        """Count what a pass over other samples of the same split has counted."""
        for name, accumulator in self.accumulators.items():
            with noting(f"in statistic {name}"):
                accumulator.merge(other.accumulators[name])
        self.samples += other.samples
        self.skipped.update(other.skipped)


def collect(
    split: Samples,
    accumulators: Mapping[str, Accumulator[Any]],
    *,
    workers: int = 0,
    on_error: OnError | str = OnError["raise"],
    max_skipped: float = 0.01,
) -> Collected:
    """Count all samples, each opened once; the given accumulators stay as they are.

    Args:
        split: the samples; read from several threads where there are workers.
        accumulators: what to count, by name.
        workers: threads that read and count. 0 reads in this thread, while one other counts the sample before.
            The result is the same to the bit.
        on_error: what becomes of a sample that cannot be read or counted.
        max_skipped: the largest share of samples that may be skipped.

    Raises:
        DataError: a sample cannot be read, lacks what is counted or is impossible, and `on_error` is `raise`; names the
            sample and the reason. Or too many were skipped.

    Example:
        >>> found = collect(provider.split("train"), {"pixels": Moments(), "sizes": Sizes()})  # doctest: +SKIP
        >>> found.results["pixels"].mean  # doctest: +SKIP
        array([123.7, 116.3, 103.5])
    """
    skip = OnError(on_error) is OnError.skip
    starts = range(0, len(split), RANGE)
    ranges = [range(start, min(start + RANGE, len(split))) for start in starts]
    total = _Tally(split, accumulators, skip).collected
    pool = ThreadPoolExecutor(workers or 1)
    try:
        if workers:
            parts: Iterable[Collected] = pool.map(lambda part: _Tally(split, accumulators, skip).count(part), ranges)
        else:
            parts = (_Tally(split, accumulators, skip).count_beside(part, pool) for part in ranges)
        for indices, part in zip(ranges, parts, strict=True):
            with noting(lambda: f"in samples {indices.start} to {indices.stop - 1} of {place_of(split)}"):  # noqa: B023
                total.merge(part)
            if len(total.skipped) > max_skipped * len(split):
                raise _too_many(total.skipped, max_skipped, split)
    finally:
        pool.shutdown(cancel_futures=True)
    return total


def countable(accumulators: Mapping[str, Accumulator[Any]], sample: Sample) -> dict[str, Accumulator[Any]]:
    """Return those accumulators that find in a sample the keys they require."""
    keys = {*sample, "index"}
    return {name: accumulator for name, accumulator in accumulators.items() if keys.issuperset(accumulator.requires)}


class _Tally:
    """The statistics of one range of samples."""

    def __init__(self, split: Samples, accumulators: Mapping[str, Accumulator[Any]], skip: bool) -> None:
        self.split = split
        self.skip = skip
        self.collected = Collected(accumulators={name: each.empty() for name, each in accumulators.items()})

    def count(self, indices: range) -> Collected:
        """Read and count some samples."""
        for index in indices:
            self._add(index, self._read(index))
        return self.collected

    def count_beside(self, indices: range, pool: ThreadPoolExecutor) -> Collected:
        """Read some samples while a thread counts the one before."""
        last: Callable[[], None] = _nothing
        for index in indices:
            sample = self._read(index)
            last()
            last = pool.submit(self._add, index, sample).result
        last()
        return self.collected

    def _read(self, index: int) -> Sample | DataError:
        try:
            return self.split[index]
        except DataError as error:
            return error
        except Exception as error:
            problem = DataError(f"{type(error).__name__}: {error}")
            problem.__cause__ = error
            return problem

    def _add(self, index: int, sample: Sample | DataError) -> None:
        """Count a sample in all statistics, or in none."""
        name = ""
        try:
            if isinstance(sample, DataError):
                raise sample
            with noting(lambda: f"in statistic {name}, sample {index} of {place_of(self.split)}"):
                facts, measured = Facts({**sample, "index": index}), {}
                for name, accumulator in self.collected.accumulators.items():
                    measured[name] = accumulator.measure(facts)
        except DataError as error:
            reason = f"{name}: {error}" if name else str(error)
            if not self.skip:
                raise DataError(f"Sample {index} of {place_of(self.split)}: {reason}") from error
            self.collected.skipped[index] = reason
            return
        for name, accumulator in self.collected.accumulators.items():
            accumulator.count(measured[name])
        self.collected.samples += 1


def place_of(split: Samples) -> str:
    """Return what a split is called in messages."""
    return f"split {getattr(split, 'name', type(split).__name__)!r}"


def _too_many(skipped: dict[int, str], allowed: float, split: Samples) -> DataError:
    first = "\n".join(f"  sample {index}: {reason}" for index, reason in list(skipped.items())[:5])
    return DataError(
        f"{len(skipped)} of {len(split)} samples of {place_of(split)} cannot be counted, more than {allowed:.3g} of "
        f"all; the statistics would not be those of the data. The first:\n{first}"
    )


def _nothing() -> None:
    """Stand in for the sample before the first."""
