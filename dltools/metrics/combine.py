"""The metrics of an evaluation, updated and read together."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from dltools.cfgutils import ConfigError
from dltools.metrics.confusion import ConfusionMatrix, ConfusionMetric


class MetricSet(nn.Module):
    """Named metrics, ours or those of torchmetrics (which are taken to read `classes`).

    Metrics of the confusion matrix that agree on `num_classes` and `ignore_index` come to share one matrix, counted
    once a batch, so the metrics belong to the set from then on. `to(device)` moves all states.

    Args:
        metrics: the metrics under their names in the config.
    """

    def __init__(self, metrics: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._names = tuple(metrics)
        self._metrics = nn.ModuleList(metrics.values())
        self._followers = _share_matrices(metrics)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics under their names."""
        return dict(zip(self._names, cast("Iterable[Any]", self._metrics), strict=True))

    def update(self, outputs: Mapping[str, tuple[Any, Any]]) -> None:
        """Add a batch.

        Args:
            outputs: what the policy offers, `(preds, target)` under each kind.

        Raises:
            ConfigError: a metric reads a kind that the policy does not offer.
        """
        for name, metric in self.metrics.items():
            kind = getattr(metric, "kind", "classes")
            if kind not in outputs:
                offered = ", ".join(outputs) or "nothing"
                raise ConfigError(
                    f"metric.{name} reads {kind!r}, which this policy does not offer; it offers {offered}"
                )
            if name not in self._followers:
                with _naming(name):
                    metric.update(*outputs[kind])

    def compute(self) -> dict[str, float]:
        """Return all values, fetched in one transfer from each device.

        A scalar has its metric's name as key, and one value a class has `<name>/<class>`. In a dict, the metric's
        own key becomes its name, also in keys that go on from it: of a metric named `coco`, `map` and `map_50`
        become `coco` and `coco_50`. Other keys stay, unless another metric has them; then they are `<name>/<key>`.
        """
        values: dict[str, Tensor] = {}
        for name, metric in self.metrics.items():
            with _naming(name):
                for key, value in _named_values(name, metric):
                    values[f"{name}/{key}" if key in values else key] = value
        return _fetched(values)

    def reset(self) -> None:
        """Forget everything that was added."""
        for metric in self.metrics.values():
            metric.reset()


def _share_matrices(metrics: Mapping[str, nn.Module]) -> frozenset[str]:
    """Let equal confusion matrices be one, and return the names of the metrics that need not count it again."""
    matrices: dict[tuple[int | None, int | None], ConfusionMatrix] = {}
    followers = set()
    for name, metric in metrics.items():
        if isinstance(metric, ConfusionMetric):
            key = metric.num_classes, metric.ignore_index
            if key in matrices:
                metric.confusion = matrices[key]
                followers.add(name)
            else:
                matrices[key] = metric.confusion
    return frozenset(followers)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the metric in an error that passes through."""
    try:
        yield
    except Exception as error:
        if sys.version_info >= (3, 11):
            error.add_note(f"in metric.{name}")
        raise


def _named_values(name: str, metric: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the keys and scalars of a metric."""
    value = metric.compute()
    own = getattr(metric, "name", "map")
    parts = value if isinstance(value, Mapping) else {own: value}
    for key, part in parts.items():
        key = name + key.removeprefix(own) if key.startswith(own) else key
        part = torch.as_tensor(part).detach()
        if part.dim() > 1:
            raise ValueError(f"{key} has shape {tuple(part.shape)}; a value must be a scalar or one a class")
        yield from [(key, part)] if part.dim() == 0 else ((f"{key}/{i}", item) for i, item in enumerate(part))


def _fetched(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Bring scalars to Python, all those of a device at once, in their order."""
    keys = defaultdict(list)
    for key, value in values.items():
        keys[value.device].append(key)
    numbers: dict[str, float] = {}
    for device, here in keys.items():
        dtype = torch.float32 if device.type == "mps" else torch.float64
        numbers |= zip(here, torch.stack([values[key].to(dtype) for key in here]).tolist(), strict=True)
    return {key: numbers[key] for key in values}
