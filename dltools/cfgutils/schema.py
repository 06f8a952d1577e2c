"""The root of the config: what every run has beside its components."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass(kw_only=True)
class TrainConfig:
    """Root of the config of one run."""

    name: str = MISSING
    """Name of the experiment: a folder under `runs/` and the experiment's name in trackers."""
    seed: int = 0
    """Seed of the weights' initialisation and of everything random in the model."""
    data_seed: int = 0
    """Seed of the order and the augmentation of samples, apart from `seed` so that trials see the same data."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for the best one there is."""
    resume: str | None = None
    """`auto` goes on from this folder's last checkpoint if there is one; a run folder or file goes on from that."""
    imports: list[str] = field(default_factory=list)
    """Modules or packages with your own components; a `_target_` inside them is allowed."""
    deterministic: bool = True
    """Ask torch for algorithms that give the same bits each time."""
    hint: str | None = None
    """What to type next, told at the end of a run."""
    tags: dict[str, str] = field(default_factory=dict)
    """Free words kept with the run and given to trackers."""

    data: Any = MISSING
    """Where samples come from."""
    augs: Any = MISSING
    """Transforms of training and of evaluation samples, and the normalisation."""
    sampler: Any = MISSING
    """Which training samples an epoch has, and in which order."""
    loader: Any = MISSING
    """How samples become batches."""
    model: Any = MISSING
    """The network."""
    loss: dict[str, Any] = field(default_factory=dict)
    """Terms of the loss, by name."""
    metric: dict[str, Any] = field(default_factory=dict)
    """Metrics, by name."""
    objective: Any = MISSING
    """What the run returns and a sweep optimises; it also chooses the best checkpoint."""
    optim: Any = MISSING
    """The optimizer."""
    param_groups: Any = MISSING
    """How parameters are divided into groups with their own settings."""
    scheduler: Any = MISSING
    """The learning rate over the steps."""
    handler: dict[str, Any] = field(default_factory=dict)
    """What stands around the optimizer's step, by name."""
    writer: dict[str, Any] = field(default_factory=dict)
    """Where values and pictures go, by name."""
    visualizer: dict[str, Any] = field(default_factory=dict)
    """Pictures made while training, by name."""
    policy: Any = MISSING
    """The training script of the task."""


def store_schema() -> None:
    """Put the root schema into the ConfigStore."""
    ConfigStore.instance().store(name="schema", node=TrainConfig, provider="dltools")
