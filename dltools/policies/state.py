"""How far a run has come, and what it tells at its end."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from dltools.metrics.objective import Criterion


@dataclass
class RunState:
    """What a run has reached; part of every training checkpoint."""

    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    """Steps of the optimizer."""
    objectives: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Epoch and value of each validation, under the expression of each objective."""
    best_metrics: dict[str, float] = field(default_factory=dict)
    """All values of the epoch with the best objective."""
    last_metrics: dict[str, float] = field(default_factory=dict)
    """All values of the newest epoch."""
    test_metrics: dict[str, float] = field(default_factory=dict)
    """Values on the test split, of the best weights."""
    skipped: dict[str, dict[int, str]] = field(default_factory=dict)
    """Samples of each split that cannot be read, and why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time spent in each phase."""
    samples: int = 0
    """Training samples seen."""

    def spend(self, phase: str, since: float) -> float:
        """Count the time since a `time.perf_counter()` for a phase and return it."""
        spent = time.perf_counter() - since
        self.seconds[phase] = self.seconds.get(phase, 0.0) + spent
        return spent

    def judge(self, criteria: Mapping[str, Criterion], metrics: Mapping[str, float]) -> bool:
        """Keep the objectives of a validation; tell whether the first of them is the best so far.

        Raises:
            ConfigError: an objective reads what is not logged.
        """
        logged = {name: value for name, value in metrics.items() if name.startswith("val/")}
        for expr, criterion in {criterion.expr: criterion for criterion in criteria.values()}.items():
            self.objectives.setdefault(expr, []).append((self.epoch, criterion.value(logged)))
        first = next(iter(criteria.values()))
        best = first.best(self.history(first))
        if best is None or best[0] != self.epoch:
            return False
        self.best_metrics = dict(metrics)
        return True

    def returned(self, criteria: Mapping[str, Criterion]) -> float | tuple[float, ...]:
        """Return the objective of the run so far; of several a tuple, in their order. NaN is one that has no value."""
        values = tuple(criterion.reduced(self.history(criterion)) for criterion in criteria.values())
        return values if len(values) > 1 else values[0]

    def history(self, criterion: Criterion) -> list[tuple[int, float]]:
        """Return epoch and value of each validation."""
        return self.objectives.get(criterion.expr, [])

    def state_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> RunState:
        """Return the state that `state_dict` gave."""
        return cls(**state)


def summarize(
    state: RunState, status: str, criteria: Mapping[str, Criterion], error: BaseException | None = None
) -> dict[str, Any]:
    """Return what summary.json tells: how the run ended, its objective, its values, its speed and where it ran.

    Args:
        state: what the run reached.
        status: `running`, `finished`, `failed` or `killed`.
        criteria: the objectives under the names of their values.
        error: what ended the run, if it did not finish.
    """
    objectives = {key: _told(state, key, criterion) for key, criterion in criteria.items()}
    objective = next(iter(objectives.values()))
    train_seconds = state.seconds.get("train", 0.0)
    return {
        "status": status,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "objective": objective,
        "more_objectives": {key.partition("/")[2]: told for key, told in objectives.items() if told is not objective},
        "test": state.test_metrics,
        "best": state.best_metrics if objective["best"] is not None else {},
        "last": state.last_metrics,
        "epochs": state.epoch,
        "steps": state.step,
        "skipped": state.skipped,
        "samples_per_second": round(state.samples / train_seconds, 2) if train_seconds else None,
        "seconds": {phase: round(spent, 3) for phase, spent in state.seconds.items()},
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": platform.platform(),
            "threads": torch.get_num_threads(),
        },
    }


def _told(state: RunState, key: str, criterion: Criterion) -> dict[str, Any]:
    """Return what summary.json tells of an objective; `name` is how its values are logged."""
    history = state.history(criterion)
    epoch, best = criterion.best(history) or (None, None)
    return {
        "name": criterion.expression.name or f"val/{key}",
        "expr": criterion.expr,
        "mode": None if criterion.mode is None else criterion.mode.value,
        "reduce": criterion.reduce.value,
        "window": criterion.window,
        "value": criterion.reduced(history),
        "best": best,
        "best_epoch": epoch,
        "validations": len(history),
    }
