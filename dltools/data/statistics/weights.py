"""Weights of losses and samplers from how often classes are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dltools.cfgutils import DataError

logger = logging.getLogger(__name__)
Floats = NDArray[np.float64]


class Scheme(str, Enum):
    """How the weight of a class follows from its share p of all that is counted."""

    inverse = "inverse"
    """1 / p."""
    sqrt_inverse = "sqrt_inverse"
    """1 / sqrt(p)."""
    median_frequency = "median_frequency"
    """1 / f, where f is the share of a class in the images that have it. Eigen and Fergus, ICCV 2015, section 6.3.2."""
    effective_number = "effective_number"
    """(1 - beta) / (1 - beta^n). Cui et al., Class-Balanced Loss, CVPR 2019, equation 11."""
    enet = "enet"
    """1 / ln(1.02 + p). Paszke et al., ENet, 2016, section 5.2."""


def class_weights(
    counts: ArrayLike,
    scheme: Scheme | str = Scheme.inverse,
    *,
    around: ArrayLike | None = None,
    beta: float | None = None,
    max_ratio: float = 50,
    names: Sequence[str] = (),
) -> Floats:
    """Return a weight for each class such that the expectation over the data is 1, which leaves the loss's scale alone.

    A class that never occurs gets 0: there is nothing to learn of it, and in a loss of regions a large weight on its
    false alarms would drown the others. A warning names it.

    Args:
        counts: (C,) images, objects or pixels of each class, such as `ClassTotals.counts`.
        scheme: the formula.
        around: (C,) all that is counted in the images that have a class, `ClassTotals.around`; for median frequency
            alone, which needs it.
        beta: of the effective number, from 0 to below 1; by default 1 - 1 / sum(counts), which does not saturate.
        max_ratio: no weight is more than so many times the smallest; a warning names the classes that would be.
        names: (C,) names of the classes for warnings; else their numbers.

    Returns:
        (C,) weights w with sum(p * w) = 1.

    Raises:
        ValueError: an argument does not fit the scheme, or is out of range.
        DataError: nothing was counted.

    Example:
        >>> class_weights([900, 100]).round(3)
        array([0.556, 5.   ])
    """
    scheme = Scheme(scheme)
    counts = _checked(counts)
    if max_ratio < 1:
        raise ValueError(f"max_ratio must be at least 1, got {max_ratio}.")
    if (around is not None) != (scheme is Scheme.median_frequency):
        raise ValueError("around must be given for median_frequency, and for no other scheme.")
    if beta is not None and (scheme is not Scheme.effective_number or not 0 <= beta < 1):
        raise ValueError(
            f"beta must be from 0 to below 1, and for effective_number alone; got {beta} for {scheme.value}."
        )
    there = counts > 0
    share = counts[there] / counts.sum()
    if scheme is Scheme.median_frequency:
        raw = np.asarray(around, np.float64)[there] / counts[there]
    elif scheme is Scheme.effective_number:
        raw = _effective_number(counts[there], 1 - 1 / counts.sum() if beta is None else beta)
    else:
        raw = SHARES[scheme](share)
    capped = np.minimum(raw, max_ratio * raw.min())
    weights = np.zeros(len(counts))
    weights[there] = capped / (share @ capped)
    _warn("never occur; their weight is 0", ~there, names)
    _warn(f"would weigh more than {max_ratio:g} times the least and are capped there", weights > 0, names, raw > capped)
    return weights


SHARES: dict[Scheme, Callable[[Floats], Floats]] = {
    Scheme.inverse: lambda share: 1 / share,
    Scheme.sqrt_inverse: lambda share: 1 / np.sqrt(share),
    Scheme.enet: lambda share: 1 / np.log(1.02 + share),
}


def pos_weight(positives: ArrayLike, total: ArrayLike) -> Floats:
    """Return (N - P) / P for each class, the weight of positives in binary cross-entropy that makes both sides equal.

    A class without positives gets 1, as there is no term to weigh; a warning names it.

    Args:
        positives: (C,) samples that have a class.
        total: how many samples there are, one number or (C,).

    Raises:
        DataError: there are more positives than samples.
    """
    positives, total = np.asarray(positives, np.float64), np.asarray(total, np.float64)
    if (positives < 0).any() or (positives > total).any():
        raise DataError(f"positives must be from 0 to the number of samples, got {positives} of {total}.")
    _warn("have no positives; their pos_weight is 1", positives == 0, ())
    return np.divide(total - positives, positives, out=np.ones_like(positives), where=positives > 0)


def prior_bias(prior: ArrayLike) -> Floats:
    """Return log(p / (1 - p)): the bias of a sigmoid head that predicts the prior before it has learned.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 4.1.

    Args:
        prior: probability of each class, any shape, between 0 and 1.

    Raises:
        ValueError: a probability is 0, 1 or beyond.
    """
    prior = np.asarray(prior, np.float64)
    if not ((prior > 0) & (prior < 1)).all():
        raise ValueError(f"prior must be above 0 and below 1, got {prior}.")
    return np.log(prior) - np.log1p(-prior)


def sample_weights(
    labels: ArrayLike, scheme: Scheme | str = Scheme.inverse, *, max_ratio: float = 50, names: Sequence[str] = ()
) -> Floats:
    """Return for each sample the weight of its class, for a weighted sampler; their mean is 1.

    Args:
        labels: (N,) class ids.
        scheme: the formula; inverse draws all classes equally often.
        max_ratio: no sample is drawn more than so many times as often as another.
        names: of the classes, for warnings.

    Raises:
        DataError: there are no labels, or one is below 0.
    """
    labels = np.asarray(labels, np.int64)
    if not len(labels) or labels.min() < 0:
        raise DataError("labels must be class ids from 0, at least one.")
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    present = [names[label] if names else str(label) for label in classes]
    return class_weights(counts, scheme, max_ratio=max_ratio, names=present)[place]


def _effective_number(counts: Floats, beta: float) -> Floats:
    if beta == 0:
        return np.ones_like(counts)
    return (1 - beta) / -np.expm1(counts * np.log(beta))


def _checked(counts: ArrayLike) -> Floats:
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"counts must be (C,) and not negative, got {counts}.")
    if not counts.sum():
        raise DataError("counts are all 0: there is nothing to take weights from.")
    return counts


def _warn(what: str, which: NDArray[np.bool_], names: Sequence[str], among: NDArray[np.bool_] | None = None) -> None:
    """Log the names of the classes `which`, or of those `among` them."""
    numbers = np.flatnonzero(which) if among is None else np.flatnonzero(which)[among]
    if len(numbers):
        told = ", ".join(names[n] if names else str(n) for n in numbers[:12])
        logger.warning("Classes %s%s %s.", told, f" and {len(numbers) - 12} more" * (len(numbers) > 12), what)
