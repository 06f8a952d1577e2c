"""How far a run has come, and what it tells at its end."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch


@dataclass
class RunState:
    """What a run has reached; part of every training checkpoint."""

    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    """Steps of the optimizer."""
    best: float | None = None
    """Best objective so far."""
    best_epoch: int | None = None
    """Epoch after which it was reached."""
    best_metrics: dict[str, float] = field(default_factory=dict)
    """All values of that epoch."""
    last_metrics: dict[str, float] = field(default_factory=dict)
    """All values of the newest epoch."""
    test_metrics: dict[str, float] = field(default_factory=dict)
    """Values on the test split, of the best weights."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time spent in each phase."""
    samples: int = 0
    """Training samples seen."""

    def spend(self, phase: str, since: float) -> float:
        """Count the time since a `time.perf_counter()` for a phase and return it."""
        spent = time.perf_counter() - since
        self.seconds[phase] = self.seconds.get(phase, 0.0) + spent
        return spent

    def state_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> RunState:
        """Return the state that `state_dict` gave."""
        return cls(**state)


def summarize(state: RunState, status: str, objective: Any, error: BaseException | None = None) -> dict[str, Any]:
    """Return what summary.json tells: how the run ended, its objective, its values, its speed and where it ran.

    Args:
        state: what the run reached.
        status: `running`, `finished`, `failed` or `killed`.
        objective: with `name` and `mode`.
        error: what ended the run, if it did not finish.
    """
    train_seconds = state.seconds.get("train", 0.0)
    return {
        "status": status,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "objective": {
            "name": objective.name,
            "mode": objective.mode.value,
            "value": state.best,
            "epoch": state.best_epoch,
        },
        "test": state.test_metrics,
        "best": state.best_metrics,
        "last": state.last_metrics,
        "epochs": state.epoch,
        "steps": state.step,
        "samples_per_second": round(state.samples / train_seconds, 2) if train_seconds else None,
        "seconds": {phase: round(spent, 3) for phase, spent in state.seconds.items()},
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": platform.platform(),
            "threads": torch.get_num_threads(),
        },
    }
