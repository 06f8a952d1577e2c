"""torch's DataLoader, with batches from the service of the node."""

from __future__ import annotations

import itertools
import logging
import pickle
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import cloudpickle
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torch.utils.data._utils.pin_memory import pin_memory
from torch.utils.data.dataloader import _BaseDataLoaderIter

from dltools.loaders.node.client import Alone, Died, Failed, Found, Line
from dltools.loaders.node.node import Node
from dltools.loaders.node.pipeline import Pipeline, digest, plain

_log = logging.getLogger(__name__)
_HERE = Node()
_END = object()


@dataclass
class _Place:
    """Where an iterator is: samples of an epoch that the user has, those of all ranks."""

    epoch: int
    consumed: int


@dataclass
class Stats:
    """What a loader has done since it was made: batches and seconds."""

    batches: int = 0
    hits: int = 0
    """Batches that somebody else had made, or was making."""
    alone: int = 0
    """Batches made in this process."""
    wait: float = 0.0
    """Seconds in which the user waited for batches."""
    make: float = 0.0
    """Seconds in which batches were made for this loader."""


class NodeLoader(DataLoader[Any]):
    """A DataLoader whose batches are made once for all on this node who ask for the same.

    Which keys form a batch, in which order, is torch's affair and that of the samplers. What comes of them is asked of
    a service, which all processes of a user on this node share: a batch is remembered by what it is made of. So a
    sample must be a function of its key; what draws from the global generators of Python, numpy and torch is one too,
    as they are seeded with the keys of the batch. For other random numbers in each epoch, the keys tell the epoch.

    Tensors of a batch may be kept and changed. The bytes are the same with and without the service.

    Args:
        dataset: map-style; an IterableDataset is left to torch.
        *arguments: those of torch's DataLoader. `num_workers` starts no process: `prefetch_factor` times it is how many
            batches are asked ahead.
        identity: says what the data set is, files and transforms; None takes the hash of its pickle, which no other
            trial has if the data set holds random generators, as transforms of albumentations do.
        key_of: what of a sampler's key a sample depends on; None: on all of it. Evaluation whose keys are (epoch,
            index) and whose samples know no epoch shares its batches over epochs with `operator.itemgetter(1)`.
        node: the service; None makes all batches in this process.
        **options: those of torch's DataLoader.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *arguments: Any,
        identity: str | None = None,
        key_of: Callable[[Any], Any] | None = None,
        node: Node | None = _HERE,
        **options: Any,
    ) -> None:
        super().__init__(dataset, *arguments, **options)
        self.identity = identity
        self.key_of = key_of
        self.node = node
        self._stats = Stats()
        self._told: set[str] = set()
        self._line: Line | None = None  # held, so that the service stays while this loader lives
        self._identity: bytes | None = None
        self._place: _Place | None = None
        if isinstance(dataset, IterableDataset):
            self._warn("An IterableDataset has no keys by which batches could be shared; torch's loader reads it.")

    def __iter__(self) -> Any:
        """Return an iterator of its own, whether or not workers are persistent: those of the service always are."""
        return super().__iter__() if isinstance(self.dataset, IterableDataset) else self._get_iterator()

    def check_worker_number_rationality(self) -> None:
        """Warn of too many worker processes where there are any."""
        if isinstance(self.dataset, IterableDataset):
            super().check_worker_number_rationality()

    def stats(self) -> dict[str, float]:
        """Return `batches`, `hits` and `alone` so far, and the seconds `wait` and `make`."""
        return asdict(self._stats)

    def state_dict(self) -> dict[str, Any]:
        """Return the place behind the last batch that the latest iterator gave, as the sampler tells it.

        Raises:
            TypeError: the sampler cannot tell places.
        """
        sampler, place = self._sampler_with_state(), self._place
        if place is None or place.epoch != sampler.epoch:
            return sampler.state_dict(sampler.consumed)
        return sampler.state_dict(place.consumed)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next iteration where a state was taken; nothing is made of the keys before it.

        Raises:
            TypeError: the sampler cannot go to a place.
        """
        self._sampler_with_state().load_state_dict(state)
        self._place = None

    def _get_iterator(self) -> Any:
        if isinstance(self.dataset, IterableDataset):
            return super()._get_iterator()
        return _NodeIterator(self)

    def _sampler_with_state(self) -> Any:
        if not hasattr(self.sampler, "state_dict"):
            raise TypeError(f"{type(self.sampler).__name__} has no state_dict, so the place in an epoch is not known.")
        return self.sampler

    def _open(self) -> tuple[Pipeline, bytes, Line | None]:
        """Return what makes batches, its identity, and a connection to who does; None makes them here."""
        pipeline = Pipeline(self.dataset, self.collate_fn, self.batch_sampler is not None, self.worker_init_fn)
        if self.node is None:
            return pipeline, b"", None
        try:
            if self._identity is None:
                data = cloudpickle.dumps(pipeline) if self.identity is None else None
                self._identity = pipeline.identity(self.identity, data)
            line = Line(self.node, self._identity, lambda: cloudpickle.dumps(pipeline))
        except OSError as error:
            self._warn(f"No service of the node: {error}. Batches are made in this process.")
        except Exception as error:
            self._warn(f"The data set cannot be sent to the node's workers: {error}. Batches are made in this process.")
        else:
            self._line = line
            return pipeline, self._identity, line
        return pipeline, b"", None

    def _warn(self, text: str, kind: str = "") -> None:
        """Say something once, or something else of its kind."""
        if (kind or text) not in self._told:
            self._told.add(kind or text)
            _log.warning(text)


class _NodeIterator(_BaseDataLoaderIter):
    """Goes through the keys of an epoch, some ahead of the user."""

    def __init__(self, loader: NodeLoader) -> None:
        super().__init__(loader)
        self._loader = loader
        self._pipeline, self._identity, self._line = loader._open()
        if self._line is not None:
            weakref.finalize(self, self._line.leave).atexit = False
        self._depth = (loader.prefetch_factor or 2) * max(loader.num_workers, 1)
        self._tickets = itertools.count()
        self._ahead: deque[tuple[int, Any, int]] = deque()
        sampler: Any = loader.sampler
        self._place = loader._place = _Place(getattr(sampler, "epoch", 0), getattr(sampler, "consumed", 0))
        self._ranks = getattr(sampler, "world_size", 1)
        self._look_ahead()

    def _next_data(self) -> Any:
        self._look_ahead()
        if not self._ahead:
            if self._line is not None:
                self._line.leave()
            raise StopIteration
        stats, begin = self._loader._stats, time.perf_counter()
        ticket, keys, seed = self._ahead[0]
        answer = self._answer(ticket)
        self._ahead.popleft()
        try:
            batch = self._batch(answer, keys, seed)
        finally:
            stats.wait += time.perf_counter() - begin
        stats.batches += 1
        self._place.consumed += self._ranks * (len(keys) if self._auto_collation else 1)
        return pin_memory(batch, self._pin_memory_device) if self._pin_memory else batch

    def _look_ahead(self) -> None:
        """Ask for batches until enough are on their way."""
        while len(self._ahead) < (self._depth if self._line is not None else 1):
            keys = next(self._sampler_iter, _END)
            if keys is _END:
                return
            told = plain(self._key(keys))
            seed, ticket = int.from_bytes(digest(told)[:4], "little"), next(self._tickets)
            self._ahead.append((ticket, keys, seed))
            if self._line is not None:
                try:
                    self._line.ask(ticket, digest(self._identity, told), pickle.dumps((keys, seed)))
                except OSError as error:
                    self._go_alone(error)

    def _key(self, keys: Any) -> Any:
        of = self._loader.key_of
        return keys if of is None else [of(key) for key in keys] if self._auto_collation else of(keys)

    def _answer(self, ticket: int) -> Found | Failed | Died | Alone:
        """Wait for the answer to a ticket."""
        if self._line is not None:
            try:
                return self._line.answer(ticket, self._timeout or None)
            except TimeoutError:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
            except OSError as error:
                self._go_alone(error)
        return Alone(0)

    def _go_alone(self, error: OSError) -> None:
        self._line = None
        self._loader._warn(f"Lost the service of the node: {error}. The rest of the epoch is made in this process.")

    def _batch(self, answer: Found | Failed | Died | Alone, keys: Any, seed: int) -> Any:
        """Return a batch, or raise what went wrong."""
        stats = self._loader._stats
        if isinstance(answer, Found):
            assert self._line is not None
            stats.hits += answer.hit
            stats.make += 0 if answer.hit else answer.seconds
            return self._line.read(answer)
        if isinstance(answer, Failed):
            pickle.loads(answer.error).reraise()
        if isinstance(answer, Died):
            raise RuntimeError(
                f"Workers of the node {_end(answer.status)} whenever they made the batch of keys {keys}."
            )
        if isinstance(answer, Alone) and answer.size:
            self._loader._warn(
                f"A batch takes {answer.size} bytes, more than the service may hold (Node.budget). "
                "Such batches are made in this process.",
                kind="size",
            )
        begin = time.perf_counter()
        batch = self._pipeline(keys, seed)
        stats.make += time.perf_counter() - begin
        stats.alone += 1
        return batch


def _end(status: int) -> str:
    """Return how a process ended, in words."""
    return f"were killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
