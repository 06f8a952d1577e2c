"""What configs may ask of a data set, as in `${stats:class_weight,median_frequency}`, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dltools.cfgutils import ConfigError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.classes import ClassCounts, Target
from dltools.data.statistics.kmeans import anchors
from dltools.data.statistics.pixels import Histogram, Moments
from dltools.data.statistics.shapes import Objects
from dltools.data.statistics.store import plain
from dltools.data.statistics.weights import Scheme, class_weights, pos_weight, prior_bias


@dataclass(frozen=True)
class Question:
    """Something to count, and what follows from it."""

    fact: str
    """Name of what is counted, under which it is kept; equal names stand for equal facts of one data set."""
    accumulator: Accumulator[Any]
    """Counts it."""
    fact_of: Callable[[Any], Any]
    """Returns the fact, plain, from the accumulator."""
    answer: Callable[[Any], Any]
    """Returns what was asked, plain, from the fact."""


@dataclass(frozen=True)
class Subject:
    """What the task knows of the data that are asked about."""

    target: Target | None
    """Which key of a sample tells the classes; None where the task has none."""
    class_names: Sequence[str]
    """Names of the ids."""

    def ask(self, name: str, *arguments: Any) -> Question:
        """Return the question of a name and its arguments, as they stand in `${stats:name,argument,...}`.

        Raises:
            ConfigError: there is no such statistic, or it does not take these arguments.
        """
        if name not in QUESTIONS:
            raise ConfigError(
                f"There is no statistic {name!r}.{did_you_mean(name, QUESTIONS)} There are {', '.join(QUESTIONS)}."
            )
        ask, usage = QUESTIONS[name]
        try:
            return ask(self, *arguments)
        except (TypeError, ValueError) as error:
            told = ",".join(map(str, (name, *arguments)))
            reason = "it takes other arguments." if isinstance(error, TypeError) else error
            raise ConfigError(f"${{stats:{told}}}: {reason} Write {usage}.") from error


def _mean(subject: Subject) -> Question:
    return _pixels(lambda fact: _shares(fact["mean"], fact["white"]))


def _std(subject: Subject) -> Question:
    return _pixels(lambda fact: _shares(fact["std"], fact["white"]))


def _pixels(answer: Callable[[Any], Any]) -> Question:
    return Question("pixels", Moments(), lambda moments: plain(moments.result()), answer)


def _quantile(subject: Subject, probability: Any) -> Question:
    wanted = float(probability)
    return Question(
        f"quantile {wanted}",
        Histogram(probabilities=(wanted,)),
        lambda levels: {"value": plain(levels.result().quantiles[wanted]), "white": levels.counts.shape[1] - 1},
        lambda fact: _shares(fact["value"], fact["white"]),
    )


def _class_weight(subject: Subject, scheme: Any = Scheme.inverse.value, max_ratio: Any = 50) -> Question:
    kind, ratio = _member(scheme), float(max_ratio)

    def answer(fact: Any) -> Any:
        around = fact["around"] if kind is Scheme.median_frequency else None
        return plain(
            class_weights(fact["counts"], kind, around=around, max_ratio=ratio, names=list(subject.class_names))
        )

    return _classes(subject, answer)


def _class_count(subject: Subject) -> Question:
    return _classes(subject, lambda fact: fact["counts"])


def _class_share(subject: Subject) -> Question:
    return _classes(subject, lambda fact: _shares(fact["counts"], sum(fact["counts"])))


def _pos_weight(subject: Subject, only: Any = None) -> Question:
    place = _place(subject, only)
    return _classes(subject, lambda fact: plain(pos_weight(fact["counts"], sum(fact["counts"])))[place])


def _prior_bias(subject: Subject, only: Any = None) -> Question:
    place = _place(subject, only)

    def answer(fact: Any) -> Any:
        counts = np.array(fact["counts"], np.float64) + 0.5  # a class that never occurs is rare, not impossible
        return plain(prior_bias(counts / (sum(fact["counts"]) + 1)))[place]

    return _classes(subject, answer)


def _classes(subject: Subject, answer: Callable[[Any], Any]) -> Question:
    if subject.target is None:
        raise ValueError("the task has no classes.")
    size = len(subject.class_names)
    counts = ClassCounts(of=subject.target, num_classes=size)
    return Question(f"{subject.target.value} of {size} classes", counts, lambda each: plain(each.result()), answer)


def _anchors(subject: Subject, count: Any) -> Question:
    wanted = int(count)
    if wanted < 1:
        raise ValueError("the number of anchors must be at least 1.")
    return Question(
        f"{wanted} anchors",
        Objects(),
        lambda objects: plain(anchors(objects.sizes, wanted)[0]),
        lambda fact: fact,
    )


def _max_objects(subject: Subject) -> Question:
    return Question(
        "objects", Objects(), lambda objects: plain(objects.result()), lambda fact: int(fact["per_image"]["maximum"])
    )


QUESTIONS: dict[str, tuple[Callable[..., Question], str]] = {
    "mean": (_mean, "${stats:mean}"),
    "std": (_std, "${stats:std}"),
    "quantile": (_quantile, "${stats:quantile,0.99}"),
    "class_weight": (
        _class_weight,
        "${stats:class_weight,median_frequency}, and last the largest ratio of two weights if it is not 50",
    ),
    "class_count": (_class_count, "${stats:class_count}"),
    "class_share": (_class_share, "${stats:class_share}"),
    "pos_weight": (_pos_weight, "${stats:pos_weight}, or ${stats:pos_weight,CLASS} for one class"),
    "prior_bias": (_prior_bias, "${stats:prior_bias}, or ${stats:prior_bias,CLASS} for one class"),
    "anchors": (_anchors, "${stats:anchors,9}"),
    "max_objects": (_max_objects, "${stats:max_objects}"),
}
"""Who asks for each statistic, and how it is written."""


def _shares(values: Sequence[float], whole: float) -> list[float]:
    return [value / whole for value in values]


def _member(scheme: Any) -> Scheme:
    if scheme not in Scheme.__members__:
        raise ValueError(
            f"there is no scheme {scheme!r}.{did_you_mean(str(scheme), Scheme.__members__)} "
            f"Schemes are {', '.join(Scheme.__members__)}."
        )
    return Scheme[scheme]


def _place(subject: Subject, only: Any) -> slice:
    """Return where one class, given by name or id, stands in a list; all of the list for None."""
    if only is None:
        return slice(None)
    names = list(subject.class_names)
    if str(only) in names:
        place = names.index(str(only))
    elif str(only).isdecimal() and int(only) < len(names):
        place = int(only)
    else:
        raise ValueError(f"there is no class {only!r}.{did_you_mean(str(only), names)} Classes are {', '.join(names)}.")
    return slice(place, place + 1)
