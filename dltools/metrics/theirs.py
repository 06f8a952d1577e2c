"""The one place that knows torchmetrics: what its metrics read, what they give, and how ranks join their states."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dltools.distutils import gather_objects, world_size

KINDS = {
    "torchmetrics.detection.panoptic_qualities": "panoptic",
    "torchmetrics.detection": "boxes",
    "torchmetrics.image": "values",
    "torchmetrics.regression": "values",
    "torchmetrics": "classes",
}
"""What the metrics of a package of torchmetrics read, inner packages first."""


def kind_of(cls: type) -> str:
    """Return which of a policy's outputs a class of torchmetrics reads, or one that is derived from it."""
    modules = [f"{base.__module__}." for base in cls.__mro__]
    found = [kind for module in modules for package, kind in KINDS.items() if module.startswith(f"{package}.")]
    return found[0] if found else "classes"


def merged_foreign(metrics: Sequence[Any]) -> list[Any]:
    """Return torchmetrics metrics that hold what all ranks added, as their own synchronisation would make them.

    Theirs runs a barrier and two gatherings for each state; here one gathering of objects serves all, also those that
    other metrics wrap. A rank that was given no batch takes part like any other; its states do not count, which
    matters where they are averaged.
    """
    if world_size() == 1 or not metrics:
        return list(metrics)
    whole = [_alone(metric) for metric in metrics]
    parts = [part for metric in whole for part in _parts(metric)]
    of_ranks = gather_objects([(_is_new(part), _moved(part.metric_state, torch.device("cpu"))) for part in parts])
    for part, states in zip(parts, zip(*of_ranks, strict=True), strict=True):
        _set_states(part, [state for new, state in states if not new] or [state for _, state in states])
    return whole


def value_of_nothing(metric: Any) -> Any:
    """Return what a torchmetrics metric gives before the first batch; None if it is one that then refuses to."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _alone(metric).compute()
    except Exception:  # whatever a metric raises, it does not tell
        return None


def _alone(metric: Any) -> Any:
    """Return a copy that does not synchronise by itself."""
    alone = copy.deepcopy(metric)
    for part in _parts(alone):
        part._to_sync = False
    return alone


def _parts(metric: Any) -> Iterator[Any]:
    """Yield the metrics that a metric is made of, itself among them."""
    return (part for part in metric.modules() if hasattr(part, "metric_state"))


def _set_states(metric: Any, states: list[dict[str, Any]]) -> None:
    """Give a torchmetrics metric the states of ranks, reduced as each state declares."""
    metric._computed = None
    metric._update_count = max(1, metric._update_count)
    for name, reduce in metric._reductions.items():
        values = [_moved(state[name], metric.device) for state in states]
        lists = isinstance(values[0], list)
        of_ranks: Any = [item for value in values for item in value] if lists else torch.stack(values)
        setattr(metric, name, of_ranks if reduce is None or len(of_ranks) == 0 else reduce(of_ranks))


def _is_new(metric: Any) -> bool:
    """Tell whether a torchmetrics metric holds nothing but the defaults of its states."""
    return metric._update_count == 0 and all(
        len(value) == 0 if isinstance(value, list) else torch.equal(value, metric._defaults[name].to(value.device))
        for name, value in metric.metric_state.items()
    )


def _moved(value: Any, device: torch.device) -> Any:
    """Return a state with its tensors on a device."""
    if isinstance(value, dict):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, list):
        return [_moved(part, device) for part in value]
    return value.to(device) if isinstance(value, Tensor) else value
