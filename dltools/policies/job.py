"""Everything that a policy works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dltools.augs.pipeline import Augmentations
from dltools.data.base import Provider, Split
from dltools.data.samplers import SamplingRule, Shuffle
from dltools.data.samplers.classes import classes_of
from dltools.handlers import Chain
from dltools.loaders import TorchLoader
from dltools.losses import LossSum
from dltools.losses.combine import total_of
from dltools.metrics import MetricSet
from dltools.metrics.objective import Objective
from dltools.optim.schedulers.base import Schedule
from dltools.policies.folder import RunFolder
from dltools.visualizers import Visualizer
from dltools.writers import Hub


@dataclass(kw_only=True)
class Job:
    """The parts of one run, built and on their device.

    `optimizer` holds the parameters of `model` and of `loss`; `classes_of` tells samplers the classes of each sample;
    `config` is the resolved config, kept with the run.
    """

    folder: RunFolder
    device: torch.device
    data: Provider
    augs: Augmentations
    loader: TorchLoader
    model: nn.Module
    loss: LossSum
    metrics: MetricSet
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    chain: Chain
    hub: Hub
    sampler: SamplingRule = field(default_factory=Shuffle)
    classes_of: Callable[[Split, str], list[NDArray[np.int64]]] = classes_of
    visualizers: dict[str, Visualizer] = field(default_factory=dict)
    name: str = "run"
    data_seed: int = 0
    resume: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the data as the run found them."""
        return self.data.fingerprint

    def logged(self) -> dict[str, bool | None]:
        """Return the names of what a validation logs, each with whether higher is better, as `MetricSet.expected`."""
        terms = {f"{kind}/{name}": 0.0 for name in self.loss.losses for kind in ("loss", "loss_weighted")}
        directions = dict.fromkeys(total_of(terms), False) | self.metrics.expected()
        return {f"val/{name}": higher for name, higher in directions.items()}
