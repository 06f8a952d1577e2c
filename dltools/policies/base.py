"""What is the same in the training of every task.

The path of a batch, from top to bottom:

    loader -> device -> normalisation -> model -> losses -> backward -> handlers -> step -> meters -> writers

A policy of a task says what goes into the model, and what of its answer goes into losses, metrics and pictures.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dltools.augs.collate import collate
from dltools.cfgutils import ConfigError, DataError, PositiveInt, TrainingError, noting
from dltools.cfgutils.timeunit import TimeUnit
from dltools.data.base import Provider
from dltools.data.composed import Chosen
from dltools.data.samplers import InOrder, KeySampler
from dltools.distutils import rank, world_size
from dltools.handlers.checkpoint import load_checkpoint, save_checkpoint
from dltools.loaders import SKIPPED
from dltools.losses import Balance, Measure
from dltools.losses.combine import total_of
from dltools.meter import Meter
from dltools.policies.batches import Batch, on_device, words_of
from dltools.policies.checkpoints import find_checkpoint, load_run, save_run
from dltools.policies.gallery import Gallery
from dltools.policies.job import Job
from dltools.policies.samples import pipeline_of, store_of
from dltools.policies.skips import note_skipped
from dltools.policies.state import RunState, summarize
from dltools.writers import Progress, Record, RunInfo

Pairs = dict[str, tuple[Any, ...]]


@dataclass(kw_only=True, eq=False, repr=False)
class Policy(ABC):
    """A whole training script: fit, evaluate, test, predict."""

    offers: ClassVar[tuple[str, ...]] = ()
    """Kinds of output that `losses` gives; those that no loss of a run reads need not be made."""
    measured: ClassVar[tuple[str, ...]] = ()
    """Kinds of output that `measures` gives; those that no metric of a run reads need not be made."""
    target: ClassVar[str] = ""
    """Key of a sample that tells its classes: `label`, `labels` or `mask`; empty where the task has none."""

    epochs: PositiveInt = 10
    """Passes over the training samples."""
    val_every: PositiveInt = 1
    """Epochs between two validations; the last epoch is always validated."""
    log_every: str = "50st"
    """Steps between two records of the training values, as a time unit."""
    limit_train: PositiveInt | None = None
    """Train on this many batches of each epoch; None takes all."""
    limit_val: PositiveInt | None = None
    """Validate on this many batches; None takes all."""
    limit_test: PositiveInt | None = None
    """Test on this many batches; None takes all."""
    overfit: bool = False
    """Train on the first `limit_train` batches without augmentation and validate on the same ones."""
    balance: Balance = Balance.none
    """Weigh the terms of the loss by their weights alone (none), or by learned variances too (uncertainty)."""
    test: bool = True
    """Evaluate the best weights on the test split at the end."""

    @abstractmethod
    def facts(self, data: Provider) -> dict[str, Any]:
        """Return what models, losses and metrics of this task take where their config says nothing: `num_classes`..."""

    @abstractmethod
    def names(self, data: Provider) -> list[str]:
        """Return the names of the class ids in truths and predictions."""

    @abstractmethod
    def check(self, output: Any, batch: Batch) -> None:
        """Raise a ConfigError when the model's output does not fit the task; called on the first batch."""

    @abstractmethod
    def losses(self, output: Any, batch: Batch) -> Pairs:
        """Return (input, target), and what else such losses take, for each kind that the task offers."""

    @abstractmethod
    def measures(self, output: Any, batch: Batch) -> Pairs:
        """Return (prediction, target) for each kind of metric that the task offers."""

    @abstractmethod
    def predictions(self, output: Any) -> list[dict[str, Tensor]]:
        """Return one dict for each image: `label` and `score`, `mask`, `boxes`, or `keypoints`."""

    @abstractmethod
    def truths(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return the same for the annotation of a batch."""

    def prepare(self, split: Any) -> Any:
        """Return the samples that the task trains on, made of a provider's."""
        return split

    def complete(self, samples: Dataset[Any]) -> Dataset[Any]:
        """Return what is loaded, made of the augmented samples."""
        if self.job.data.distance_maps:
            raise ConfigError("data.distance_maps=true is for the segmentation policy; no other reads the maps.")
        return samples

    def run(self, job: Job) -> float | tuple[float, ...]:
        """Fit, test the best weights, and return the objective; of several a tuple. One without a value is NaN.

        Whatever ends the run, `summary.json` and the writers are told how it ended.
        """
        self.job = job
        self.criteria = job.objective.criteria(job.logged())
        self.loaders: dict[str, DataLoader[Any]] = {}
        self.gallery = Gallery(job.visualizers, job.hub, self.names(job.data))
        steps = self._length(self._loader("train"), self.limit_train)
        self.steps = steps, self.epochs * steps
        if self.offers:
            job.loss.check_offer(self.offers)
        if self.measured:
            job.metrics.check_offer(self.measured)
        job.loss.schedule(*self.steps)
        self.scheduler = job.schedule.attach(job.optimizer, self.epochs * steps, steps)
        checkpoint = find_checkpoint(job.resume, job.folder)
        self.state = RunState() if checkpoint is None else load_run(job, self.scheduler, checkpoint)
        job.folder.write_summary(summarize(self.state, "running", self.criteria))
        job.hub.open(
            RunInfo(
                folder=job.folder.path,
                name=job.name,
                config=job.config,
                overrides=job.overrides,
                resumed=checkpoint is not None,
                step=self.state.step,
            )
        )
        status, failure = "failed", None
        try:
            self.fit()
            self.finish()
            status = "finished"
        except KeyboardInterrupt:
            status = "killed"
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            summary = summarize(self.state, status, self.criteria, failure)
            job.folder.write_summary(summary)
            job.chain.close()
            job.hub.close(status, summary)
        return self.state.returned(self.criteria)

    def fit(self) -> None:
        """Train for the epochs that are left, validate, and keep the best and the last checkpoint."""
        for epoch in range(self.state.epoch, self.epochs):
            record = self.train_epoch(self._loader("train"), epoch)
            self.state.epoch = epoch + 1
            validated = (epoch + 1) % self.val_every == 0 or epoch + 1 == self.epochs
            if validated:
                record.metrics.update(self.evaluate("val"))
            is_best = validated and self.state.judge(self.criteria, record.metrics)
            self.state.last_metrics = record.metrics
            self.job.hub.scalars(record)
            save_run(self.job, self.state, self.scheduler, is_best=is_best)
            self.job.folder.write_summary(summarize(self.state, "running", self.criteria))

    def train_epoch(self, loader: DataLoader[Any], epoch: int) -> Record:
        """Train for one epoch; return the record of its last interval, which the validation joins."""
        job, started = self.job, time.perf_counter()
        job.model.train()
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        steps = self.steps[0]
        log_every = max(1, TimeUnit.parse(self.log_every, "log_every").steps(*self.steps))
        meter, samples = Meter(), 0
        for position, batch in enumerate(self._batches(loader, self.limit_train, "train"), start=1):
            with noting(partial(words_of, batch, "train")):
                meter.add(self.train_step(batch))
            self.state.step += 1
            samples += len(batch["image"])
            if position % log_every == 0 and position < steps:
                job.hub.scalars(self._train_record(meter, epoch, samples / (time.perf_counter() - started)))
            job.hub.progress(Progress(epoch + 1, self.epochs, position, steps, "train"))
        self.state.samples += samples
        return self._train_record(meter, epoch, samples / self.state.spend("train", started))

    def train_step(self, batch: Batch) -> dict[str, Tensor | Measure]:
        """Learn from one batch and return what it measured, still on the device."""
        job = self.job
        with job.chain.forward():
            output = job.model(job.augs.normalize(batch["image"]))
            if self.state.step == 0:
                self.check(output, batch)
            loss, terms = job.loss(self.losses(output, batch), self.state.step)
        values = job.chain.update(loss, job.model, job.optimizer)
        self.scheduler.step()
        return {**terms, **values}

    @torch.inference_mode()
    def evaluate(self, stage: str) -> dict[str, float]:
        """Return the mean losses and the metrics of a split, each sample counted once.

        Args:
            stage: `val` or `test`.
        """
        job, started = self.job, time.perf_counter()
        job.model.eval()
        job.metrics.reset()
        meter, loader = Meter(), self._loader(stage)
        limit = self.limit_val if stage == "val" else self.limit_test
        length = self._length(loader, limit)
        self.gallery.begin(self.state.step, *self.steps, final=stage == "test" or self.state.epoch == self.epochs)
        for position, batch in enumerate(self._batches(loader, limit, stage), start=1):
            with noting(partial(words_of, batch, stage)):
                with job.chain.forward():
                    output = job.model(job.augs.normalize(batch["image"]))
                    _, terms = job.loss(self.losses(output, batch), self.state.step)
                meter.add(terms)
                job.metrics.update(self.measures(output, batch))
            if self.gallery.wants_more():
                self.gallery.add(batch["image"], self.truths(batch), self.predictions(output), batch["index"].tolist())
            job.hub.progress(Progress(self.state.epoch, self.epochs, position, length, stage))
        self.state.spend(stage, started)
        self.gallery.draw(stage, self.state.step)
        measured = job.metrics.compute()
        for name, table in measured.tables.items():
            job.hub.table(f"{stage}/{name}", self.state.step, table)
        values = total_of(meter.compute()) | measured.scalars
        return {f"{stage}/{name}": value for name, value in (values | self._calculated(values)).items()}

    def finish(self) -> None:
        """Write the deployable weights of the best epoch, and test them."""
        job = self.job
        if job.folder.best.is_file():
            job.model.load_state_dict(load_checkpoint(job.folder.best, job.device)["model"])
        save_checkpoint(job.folder.weights, job.model.state_dict())
        if self.test:
            self.state.test_metrics = self.evaluate("test")
            job.hub.scalars(Record(step=self.state.step, epoch=self.state.epoch, metrics=self.state.test_metrics))

    @torch.inference_mode()
    def predict(self, loader: DataLoader[Any]) -> Iterator[dict[str, Tensor]]:
        """Yield a prediction for each image of a loader's batches."""
        self.job.model.eval()
        for batch in self._batches(loader, None, "predict"):
            with self.job.chain.forward():
                output = self.job.model(self.job.augs.normalize(batch["image"]))
            yield from self.predictions(output)

    def _loader(self, stage: str) -> DataLoader[Any]:
        """Return the loader of `train`, `val` or `test`, made when it is first asked for."""
        if stage not in self.loaders:
            self.loaders[stage] = self._make_loader(stage)
        return self.loaders[stage]

    def _make_loader(self, stage: str) -> DataLoader[Any]:
        job = self.job
        name = "train" if self.overfit and stage == "val" else stage
        source = job.data.split(name)
        split = self.prepare(source)
        if self.overfit and stage != "test" and self.limit_train is not None:
            split = Chosen(split, np.arange(min(len(split), self.limit_train * job.loader.batch_size)))
        if len(split) == 0:
            raise DataError(f"The {stage} split of the data is empty.")
        train = stage == "train"
        plan = job.sampler.plan(split, partial(job.classes_of, split, self.target)) if train else InOrder(len(split))
        dataset = job.augs.dataset(split, "train" if train and not self.overfit else "eval", job.data_seed)
        config, completed = job.config.get("data"), self.complete(dataset)
        if job.loader.cache:
            dataset.store = store_of(dataset, source, name, job.data, job.fingerprint, config, job.loader.cache_limit)
        return job.loader.loader(
            completed,
            collate,
            KeySampler(plan, job.data_seed, rank=rank(), world_size=world_size(), even=train),
            train=train,
            identity=lambda: pipeline_of(dataset, source, name, job.data, job.fingerprint, config, completed),
            epochless=dataset.epochless,
        )

    def _batches(self, loader: DataLoader[Any], limit: int | None, stage: str) -> Iterator[Batch]:
        """Yield batches on the device, without the samples that cannot be read."""
        for batch in islice(loader, limit):
            if SKIPPED in batch:
                size, allowed = len(loader.dataset), self.job.loader.max_skipped  # type: ignore[arg-type]
                note_skipped(self.state.skipped.setdefault(stage, {}), batch.pop(SKIPPED), stage, size, allowed)
            if batch:
                yield on_device(batch, self.job.device)

    def _calculated(self, values: dict[str, float]) -> dict[str, float]:
        """Return the objectives of an evaluation that are not values of it already."""
        logged = {f"val/{name}": value for name, value in values.items()}
        return {
            key: criterion.value(logged)
            for key, criterion in self.criteria.items()
            if criterion.expression.name is None
        }

    @staticmethod
    def _length(loader: DataLoader[Any], limit: int | None) -> int:
        return len(loader) if limit is None else min(limit, len(loader))

    def _train_record(self, meter: Meter, epoch: int, speed: float) -> Record:
        """Read the meter; a loss that is not finite ends the run with the names of its terms."""
        means = total_of(meter.compute())
        terms = {name: value for name, value in means.items() if name.startswith("loss/")}
        if not math.isfinite(sum(terms.values()) + means.get("loss", 0.0)):
            told = ", ".join(f"{name.replace('/', '.')} = {value:.4g}" for name, value in terms.items())
            raise TrainingError(
                f"train/loss is {means['loss']} at step {self.state.step} of epoch {epoch + 1}: {told}. "
                "A lower optim.lr, a longer scheduler.warmup or handler=clip usually help."
            )
        means["lr"] = self.job.optimizer.param_groups[0]["lr"]
        metrics = {f"train/{name}": value for name, value in means.items()}
        loading: dict[str, float] = getattr(self.loaders["train"], "stats", dict)()
        perf = {"samples/s": speed, **{f"loader/{name}": value for name, value in loading.items()}}
        return Record(self.state.step, epoch + 1, metrics, perf)
