"""The weighted sum of losses that a policy trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import cast

import torch
from torch import Tensor, nn

from dltools.cfgutils import ConfigError, FieldError, add_note
from dltools.losses.base import Loss, Measure, Reduction
from dltools.losses.classes import ClassLoss
from dltools.losses.readings import read
from dltools.losses.scores import Reading, Scores

Outputs = Mapping[str, tuple[Tensor, ...]]


class Balance(str, Enum):
    """How the terms of a sum are weighed against each other."""

    none = "none"
    """By their weights alone."""
    uncertainty = "uncertainty"
    """By a learned factor too."""


class LossSum(nn.Module):
    """Sum of named losses, each times its weight.

    Terms over class scores that read them alike share one softmax, one set of region sums and whatever else more than
    one of them needs.

    With `balance="uncertainty"` a term L becomes L / v + log(v) / 2 with a learned variance v, 1 at first (Kendall et
    al. 2018, arXiv:1705.07115, section 3.2; log v is what is learned). Its logarithm is a parameter of this module.

    Args:
        losses: the terms under their names in the config.
        balance: how the terms are weighed against each other, beside their weights.

    Raises:
        ConfigError: there is no term, a term cannot be summed up, or is below 0 where variances are learned.
    """

    def __init__(self, losses: Mapping[str, Loss], balance: Balance | str = Balance.none) -> None:
        super().__init__()
        if not losses:
            raise ConfigError("loss must have at least one term")
        for name, loss in losses.items():
            if loss.reduction is Reduction.none:
                raise FieldError(f"loss.{name}.reduction", "must be mean or sum to be trained on, got none")
            if balance == Balance.uncertainty and not loss.is_nonnegative:
                raise ConfigError(f"loss.{name} can be below 0, and then no variance of it can be learned")
        self._names = tuple(losses)
        self._terms = nn.ModuleList(losses.values())
        self._squares = _readings_with_squares(losses.values())
        self._steps = (1, 1)
        variances = torch.zeros(len(losses)) if balance == Balance.uncertainty else None
        self.log_variances = None if variances is None else nn.Parameter(variances)

    @property
    def losses(self) -> dict[str, Loss]:
        """The terms under their names."""
        return dict(zip(self._names, cast("Iterable[Loss]", self._terms), strict=True))

    @property
    def kinds(self) -> set[str]:
        """The kinds of output that the terms read."""
        return {loss.kind for loss in self.losses.values()}

    @property
    def reads_distance_maps(self) -> bool:
        """Whether a term takes the distance maps of the data pipeline."""
        return any(isinstance(loss, ClassLoss) and loss.reads_distance_maps for loss in self.losses.values())

    def check_offer(self, kinds: Iterable[str]) -> None:
        """Refuse a loss that reads a kind which a policy does not offer.

        Raises:
            ConfigError: naming the loss, its kind and those offered.
        """
        for name, loss in self.losses.items():
            if loss.kind not in kinds:
                offered = ", ".join(kinds) or "nothing"
                raise ConfigError(
                    f"loss.{name} reads {loss.kind!r}, which this policy does not offer; it offers {offered}"
                )

    def schedule(self, steps_per_epoch: int, total_steps: int) -> None:
        """Tell how long the training is, so that ramps know where they begin and end.

        Raises:
            FieldError: a ramp ends before it begins.
        """
        self._steps = steps_per_epoch, total_steps
        self.factors(0)

    def factors(self, step: int) -> dict[str, float]:
        """Return the weight of each term at an optimizer step."""
        factors = {}
        for name, loss in self.losses.items():
            try:
                factors[name] = loss.weight * loss.ramp.factor(step, *self._steps)
            except FieldError as error:
                raise FieldError(f"loss.{name}.ramp.{error.field}", error.problem) from error
        return factors

    def forward(self, outputs: Outputs, step: int = 0) -> tuple[Tensor, dict[str, Measure]]:
        """Return the weighted sum, and what a meter adds: each term before and after its weight, detached.

        Args:
            outputs: what the policy offers under each kind: input, target, and what else losses of that kind take.
            step: optimizer steps made so far, for weights that change.

        Returns:
            A scalar, and measures by name: `loss/dice` as the loss says it, `loss_weighted/dice` as it is summed.

        Raises:
            ConfigError: a loss reads a kind that the policy does not offer.
        """
        self.check_offer(outputs)
        factors = self.factors(step)
        scores: dict[Reading, Scores] = {}
        terms: list[Tensor] = []
        measures: dict[str, Measure] = {}
        for position, (name, loss) in enumerate(self.losses.items()):
            raw = self._measure(name, loss, outputs, scores)
            value = factors[name] * loss.reduce(raw)
            if self.log_variances is not None:
                log_variance = self.log_variances[position]
                value = value * torch.exp(-log_variance) + log_variance / 2
            terms.append(value)
            weight = raw.weight.detach() if loss.reduction is Reduction.mean else torch.ones_like(raw.weight)
            measures[f"loss/{name}"] = Measure(raw.total.detach(), weight)
            measures[f"loss_weighted/{name}"] = Measure(value.detach() * weight, weight)
        return torch.stack(terms).sum(), measures

    def _measure(self, name: str, loss: Loss, outputs: Outputs, scores: dict[Reading, Scores]) -> Measure:
        try:
            if not (isinstance(loss, ClassLoss) and loss.kind == ClassLoss.kind):
                return loss.measure(*outputs[loss.kind])
            if loss.reading not in scores:
                input, target, *maps = outputs[loss.kind]
                squares = loss.reading in self._squares
                scores[loss.reading] = read(input, target, loss.reading, squares, *maps)
            return loss.measure_scores(scores[loss.reading])
        except FieldError as error:
            raise FieldError(f"loss.{name}.{error.field}", error.problem) from error
        except Exception as error:
            add_note(error, f"in loss.{name}")
            raise


def total_of(means: Mapping[str, float]) -> dict[str, float]:
    """Return the means of the measures of a `LossSum` with their sum in front, as `loss`.

    A single term is not told twice: what is summed is left out where there is nothing to add.
    """
    weighted = {name: value for name, value in means.items() if name.startswith("loss_weighted/")}
    told = {name: value for name, value in means.items() if len(weighted) > 1 or name not in weighted}
    return {"loss": sum(weighted.values()), **told} if weighted else dict(means)


def _readings_with_squares(losses: Iterable[Loss]) -> set[Reading]:
    return {loss.reading for loss in losses if isinstance(loss, ClassLoss) and loss.needs_squares}
