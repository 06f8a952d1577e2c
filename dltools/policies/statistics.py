"""Statistics of the training samples of a run, for interpolations such as `${stats:mean}` and for samplers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dltools.cfgutils import ConfigError
from dltools.cfgutils.build import build, check_targets
from dltools.cfgutils.cache_folder import cache_folder
from dltools.cfgutils.resolvers import answer_statistics
from dltools.policies.samples import digest_of, identity_of, store_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dltools.augs.dataset import FixedSplit
    from dltools.data.base import Provider, Split
    from dltools.data.statistics.questions import Question, Subject
    from dltools.data.statistics.store import StatisticsFile
    from dltools.policies.base import Policy

logger = logging.getLogger("dltools")

MENTIONED = re.compile(r"\$\{stats:([^${}]+)\}")


def count_for_configs() -> None:
    """Let the configs of this process ask for statistics."""
    answer_statistics(lambda config, name, *arguments: statistics_of(config).answer(name, *arguments))


def statistics_of(config: DictConfig) -> RunStatistics:
    """Return the statistics of a run, the same object for the same config."""
    if not _newest or _newest[0].config is not config:
        _newest[:] = [RunStatistics(config)]
    return _newest[0]


_newest: list[RunStatistics] = []


class RunStatistics:
    """What a config asks of its training samples, counted in one pass and kept in a file.

    The samples are those that the task trains on, after the transforms that do the same in every epoch.

    Args:
        config: root of a composed config.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self._facts: dict[str, Any] = {}
        self._at_work = False

    def answer(self, name: str, *arguments: Any) -> Any:
        """Return a statistic as plain values; the first call counts all that the config mentions.

        Raises:
            ConfigError: there is no such statistic, or what is counted depends on it.
            DataError: a sample cannot be counted.
        """
        if self._at_work:
            raise ConfigError(
                "data, policy, and the first transforms of augs.train cannot depend on statistics, "
                "which are counted of the samples that they make."
            )
        self._at_work = True
        try:
            question = self._subject.ask(name, *arguments)
            if question.fact not in self._facts:
                self._find([question, *self._mentioned()])
            return question.answer(self._facts[question.fact])
        finally:
            self._at_work = False

    def classes_of(self, split: Split, key: str) -> list[NDArray[np.int64]]:
        """Return the class ids of each sample of the training split or of its first samples, as `classes_of` does."""
        import numpy as np

        from dltools.data.samplers.classes import classes_of

        if not key or split.column(key) is not None:
            return classes_of(split, key)
        name = f"classes of {len(split)} samples by {key}"
        if name not in self._facts:
            self._keep([name], lambda: {name: [ids.tolist() for ids in classes_of(split, key, **self._tolerance)]})
        return [np.array(ids, np.int64) for ids in self._facts[name]]

    @property
    def _tolerance(self) -> dict[str, Any]:
        """What becomes of samples that cannot be read, as the loader has it."""
        loader = self.config.loader
        return {"on_error": loader.get("on_error", "raise"), "max_skipped": loader.get("max_skipped", 0.01)}

    def _find(self, questions: list[Question]) -> None:
        """Look the facts up, or count them."""
        self._keep([question.fact for question in questions], lambda: self._count(questions))

    def _keep(self, names: list[str], make: Callable[[], dict[str, Any]]) -> None:
        """Take facts from the file; if one is missing, make them while no other process does the same."""
        file = self._file
        try:
            with file.locked():
                kept = file.read()
                if not kept.keys() >= set(names):
                    kept = {**kept, **make()}
                    file.write(kept)
        except OSError as error:
            logger.warning("Statistics cannot be kept in %s: %s", file.path, error)
            kept = make()
        self._facts.update(kept)

    def _count(self, questions: list[Question]) -> dict[str, Any]:
        """Return the facts of some questions, counted in one pass."""
        from dltools.data.statistics import collect

        started, split = time.perf_counter(), self._split
        counters = {question.accumulator.describe(): question.accumulator for question in questions}
        found = collect(split, counters, workers=self.config.loader.get("num_workers", 0), **self._tolerance)
        logger.info(
            "Statistics: counted %s of %d training samples in %.1f s.",
            ", ".join(dict.fromkeys(question.fact for question in questions)),
            found.samples,
            time.perf_counter() - started,
        )
        return {
            question.fact: question.fact_of(found.accumulators[question.accumulator.describe()])
            for question in questions
        }

    def _mentioned(self) -> Iterator[Question]:
        """Yield what else the config asks, as far as it can be read without resolving anything."""
        for text in _texts(OmegaConf.to_container(self.config, resolve=False)):
            for asked in MENTIONED.findall(text):
                name, *arguments = (word.strip() for word in asked.split(","))
                try:
                    yield self._subject.ask(name, *arguments)
                except ConfigError:  # told with its key when it is its turn
                    continue

    @cached_property
    def _data(self) -> Provider:
        return self._built("data")

    @cached_property
    def _fingerprint(self) -> str:
        return self._data.fingerprint

    @cached_property
    def _policy(self) -> Policy:
        return self._built("policy")

    @cached_property
    def _subject(self) -> Subject:
        from dltools.data.statistics import Target
        from dltools.data.statistics.questions import Subject

        target = Target(self._policy.target) if self._policy.target else None
        names = self._data.mask_names if target is Target.mask else self._data.class_names
        return Subject(target, names)

    @cached_property
    def _split(self) -> FixedSplit:
        """The training samples after the transforms that do the same in every epoch."""
        from dltools.augs.dataset import FixedSplit
        from dltools.augs.pipeline import Augmentations

        augs, facts = self.config.augs, self._policy.facts(self._data)
        swap = facts.get("keypoint_swap") if augs.get("keypoint_swap") is None else list(map(list, augs.keypoint_swap))
        fixed = Augmentations(train=self._prefix, min_visibility=augs.get("min_visibility", 0.0), keypoint_swap=swap)
        dataset, loader = fixed.dataset(self._policy.prepare(self._source), "train", seed=0), self.config.loader
        if loader.get("cache", False):
            config, limit = OmegaConf.to_container(self.config.data, resolve=True), loader.get("cache_limit")
            dataset.store = store_of(dataset, self._source, "train", self._data, self._fingerprint, config, limit)
        return FixedSplit(dataset)

    @cached_property
    def _source(self) -> Split:
        """The training split as the provider gives it."""
        return self._data.split("train")

    @cached_property
    def _prefix(self) -> dict[str, Any]:
        from dltools.augs.prefix import prefix_of

        train = self.config.augs.get("train") or {}
        return prefix_of(self._built("augs.train", **self._policy.facts(self._data)) if train else {})

    @cached_property
    def _file(self) -> StatisticsFile:
        """The file of this data set as it is read here; its fingerprint follows the content."""
        from dltools.data.statistics.store import StatisticsFile

        config = OmegaConf.to_container(self.config.data, resolve=True)
        identity, _ = identity_of(self._split.dataset, self._source)
        name = f"{type(self._data).__name__.lower()}-{digest_of([config, *identity])}.yaml"
        return StatisticsFile(Path(cache_folder(), "statistics", name), self._fingerprint)

    def _built(self, key: str, **context: Any) -> Any:
        node = OmegaConf.select(self.config, key)
        check_targets(OmegaConf.to_container(node, resolve=True), key)
        return build(node, key, **context)


def _texts(value: Any) -> Iterator[str]:
    """Yield all strings in plain containers."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
