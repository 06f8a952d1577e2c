"""Transforms made of others: one of them, some of them, all in any order, all in their order.

The transforms inside stand by name below `transforms`, as in `augs.train.blurs.transforms.motion_blur.p=0.3`. They are
those of albumentations and other compositions; a transform that takes in other samples stands in the pipeline itself.
"""

from __future__ import annotations

from typing import Any

import albumentations as A

from dltools.cfgutils import FieldError, component


@component("transform", "one_of")
class OneOf(A.OneOf):
    """Apply one of the transforms; their `p` are the weights of the draw.

    Args:
        transforms: to draw from, by name.
        p: probability that one is applied.

    Raises:
        FieldError: there is none, one is not of albumentations, or all weights are 0.
    """

    def __init__(self, transforms: dict[str, Any] | None = None, p: float = 0.5) -> None:
        members = _members(transforms, p)
        if sum(member.p for member in members) == 0:
            raise FieldError("transforms", "must have one whose p is greater than 0: they are the weights of the draw")
        super().__init__(members, p=p)


@component("transform", "some_of")
class SomeOf(A.SomeOf):
    """Draw some of the transforms, each as likely as the others, and apply them in their order, each by its `p`.

    Args:
        transforms: to draw from, by name.
        n: how many are drawn.
        replace: draw each anew, so that one may come twice.
        p: probability that any are drawn.

    Raises:
        FieldError: there is none, one is not of albumentations, or n is more than there are.
    """

    def __init__(
        self, transforms: dict[str, Any] | None = None, n: int = 1, replace: bool = False, p: float = 1.0
    ) -> None:
        members = _members(transforms, p)
        _check_count(n, replace, members)
        super().__init__(members, n=n, replace=replace, p=p)


@component("transform", "random_order")
class RandomOrder(A.RandomOrder):
    """Apply the transforms in a random order, each by its `p`.

    Args:
        transforms: by name.
        n: how many are drawn; None takes all.
        replace: draw each anew, so that one may come twice.
        p: probability that any are drawn.

    Raises:
        FieldError: there is none, one is not of albumentations, or n is more than there are.
    """

    def __init__(
        self, transforms: dict[str, Any] | None = None, n: int | None = None, replace: bool = False, p: float = 1.0
    ) -> None:
        members = _members(transforms, p)
        count = len(members) if n is None else n
        _check_count(count, replace, members)
        super().__init__(members, n=count, replace=replace, p=p)


@component("transform", "sequential")
class Sequential(A.Sequential):
    """Apply all of the transforms in their order, each by its `p`, or none.

    Args:
        transforms: by name.
        p: probability that they are applied.

    Raises:
        FieldError: there is none, or one is not of albumentations.
    """

    def __init__(self, transforms: dict[str, Any] | None = None, p: float = 0.5) -> None:
        super().__init__(_members(transforms, p), p=p)


def _members(transforms: dict[str, Any] | None, p: float) -> list[Any]:
    """Return the transforms of a composition, in order."""
    if not transforms:
        raise FieldError("transforms", "must have at least one, such as transforms.gaussian_blur")
    for name, transform in transforms.items():
        if not isinstance(transform, (A.BasicTransform, A.BaseCompose)):
            kind = type(transform).__name__
            raise FieldError(
                f"transforms.{name}",
                f"must be a transform of albumentations or a composition, got a {kind}; one that takes in other "
                "samples stands in the pipeline itself",
            )
    if not 0 <= p <= 1:
        raise FieldError("p", f"must be from 0 to 1, got {p}")
    return list(transforms.values())


def _check_count(n: int, replace: bool, members: list[Any]) -> None:
    if n < 1 or (n > len(members) and not replace):
        raise FieldError("n", f"must be from 1 to {len(members)}, the number of transforms, got {n}")
