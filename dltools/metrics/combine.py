"""The metrics of an evaluation, updated and read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from dltools.cfgutils import ConfigError, noting
from dltools.distutils import widest_float
from dltools.metrics.base import Metric
from dltools.metrics.distutils import merged
from dltools.metrics.state import Reading, State
from dltools.metrics.theirs import kind_of, merged_foreign, value_of_nothing
from dltools.table import Table, numbered


class Results(NamedTuple):
    """What metrics give."""

    scalars: dict[str, float]
    """Values under their names."""
    tables: dict[str, Table]
    """Values with rows and columns, such as a confusion matrix."""


class MetricSet(nn.Module):
    """Named metrics, ours or those of torchmetrics.

    Our metrics whose states would be equal come to share one, updated once a batch, so the metrics belong to the set
    from then on. On several ranks `compute` gives every rank the values of what all ranks added together.
    `to(device)` moves all states.

    Args:
        metrics: the metrics under their names in the config.
    """

    def __init__(self, metrics: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._names = tuple(metrics)
        self._metrics = nn.ModuleList(metrics.values())
        self._batches = 0
        _share_states(metrics.values())
        for metric in metrics.values():
            if not isinstance(metric, Metric):
                cast("Any", metric).persistent(True)  # so that `state_dict` keeps theirs as well as ours

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics under their names."""
        return dict(zip(self._names, cast("Iterable[Any]", self._metrics), strict=True))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of output that the metrics read."""
        return frozenset(_kind(metric) for metric in self._metrics)

    def check_offer(self, kinds: Collection[str]) -> None:
        """Check that each metric reads something that is offered.

        Raises:
            ConfigError: naming the metric, its kind and those offered.
        """
        for name, metric in self.metrics.items():
            if _kind(metric) not in kinds:
                raise ConfigError(
                    f"metric.{name} reads {_kind(metric)!r}, which this policy does not offer; "
                    f"it offers {', '.join(kinds) or 'nothing'}"
                )

    def update(self, outputs: Mapping[str, tuple[Any, Any]]) -> None:
        """Add a batch.

        Args:
            outputs: what the policy offers, `(preds, target)` under each kind.

        Raises:
            ConfigError: a metric reads a kind that the policy does not offer.
        """
        self.check_offer(outputs)
        self._batches += 1
        readings = {kind: Reading(*pair) for kind, pair in outputs.items()}
        done: set[State] = set()
        for name, metric in self.metrics.items():
            kind = _kind(metric)
            with noting(f"in metric.{name}, batch {self._batches} since the last reset"):
                if not isinstance(metric, Metric):
                    metric.update(*outputs[kind])
                elif metric.state not in done:
                    metric.state.update(readings[kind])
                    done.add(metric.state)

    def compute(self) -> Results:
        """Return all values, scalars fetched in one transfer from each device; on several ranks all must call it.

        A scalar has its metric's name as key, and one value a class has `<name>/<class>`. In a dict, the metric's
        own key becomes its name, also in keys that go on from it: of a metric named `coco`, `map` and `map_50`
        become `coco` and `coco_50`. Other keys stay, unless another metric has them; then they are `<name>/<key>`.
        """
        scalars: dict[str, Tensor] = {}
        tables: dict[str, Table] = {}
        theirs = [metric for metric in self._metrics if not isinstance(metric, Metric)]
        whole = dict(zip(theirs, merged_foreign(theirs), strict=True))
        with merged(self._states()):
            for name, metric in self.metrics.items():
                with noting(f"in metric.{name}"):
                    for key, value in _named(name, metric, whole.get(metric, metric).compute()):
                        key = f"{name}/{key}" if key in scalars or key in tables else key
                        if value.dim() == 0:
                            scalars[key] = value
                        else:
                            axes = metric.axes if isinstance(metric, Metric) else numbered
                            tables[key] = Table(value.cpu().numpy(), *axes(*value.shape))
        return Results(_fetched(scalars), tables)

    def expected(self) -> dict[str, bool | None]:
        """Return the names of the scalars that `compute` will give, each with whether higher is better.

        A name that ends with a slash stands for all that begin with it: what a metric of torchmetrics gives cannot
        always be told before it has seen a batch.
        """
        names: dict[str, bool | None] = {}
        for name, metric in self.metrics.items():
            for key in _keys(name, metric):
                names[f"{name}/{key}" if key in names else key] = metric.higher_is_better
        return names

    def reset(self) -> None:
        """Forget everything that was added."""
        self._batches = 0
        for metric in self.metrics.values():
            metric.reset()

    def _states(self) -> list[State]:
        """Return our states, each once, in the same order on every rank."""
        return list(dict.fromkeys(metric.state for metric in self._metrics if isinstance(metric, Metric)))


def _share_states(metrics: Iterable[nn.Module]) -> None:
    """Let metrics of one kind whose states have the same key share the first one's."""
    states: dict[tuple[str, Hashable], State] = {}
    for metric in metrics:
        if isinstance(metric, Metric):
            own, shared = metric.state, states.setdefault((metric.kind, metric.state.key), metric.state)
            if shared is not own:
                shared.join(own)
                metric.state = shared


def _kind(metric: Any) -> str:
    return getattr(metric, "kind", None) or kind_of(type(metric))


def _named(name: str, metric: Any, value: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the keys of what a metric gave, each with a scalar or a table."""
    own = getattr(metric, "name", "map")
    parts = value if isinstance(value, Mapping) else {own: value}
    for key, part in parts.items():
        key = name + key.removeprefix(own) if key.startswith(own) else key
        part = torch.as_tensor(part).detach()
        if part.dim() > 2:
            raise ValueError(f"{key} has shape {tuple(part.shape)}; a value must be a scalar, a list or a table")
        yield from ((f"{key}/{i}", item) for i, item in enumerate(part)) if part.dim() == 1 else [(key, part)]


def _keys(name: str, metric: Any) -> list[str]:
    """Return the keys of the scalars that a metric will give, read of its value before the first batch."""
    value = metric.compute() if isinstance(metric, Metric) else value_of_nothing(metric)
    if value is None:
        return [name, f"{name}/"]
    return [key for key, part in _named(name, metric, value) if part.dim() == 0]


def _fetched(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Bring scalars to Python, all those of a device at once, in their order."""
    keys = defaultdict(list)
    for key, value in values.items():
        keys[value.device].append(key)
    numbers: dict[str, float] = {}
    for device, here in keys.items():
        stacked = torch.stack([values[key].to(widest_float(device)) for key in here])
        numbers |= zip(here, stacked.tolist(), strict=True)
    return {key: numbers[key] for key in values}
