"""Does a model's output fit its task?"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dltools.cfgutils import ConfigError


def expect_tensor(output: Any, shape: tuple[int | None, ...], what: str) -> None:
    """Check that an output is a floating-point tensor of a shape, in which None stands for any size.

    Raises:
        ConfigError: telling what the task expects of `model` and what it got.
    """
    expected = f"The task expects {what} of shape {_words(shape)} from the model"
    if not isinstance(output, Tensor):
        raise ConfigError(f"model: {expected}, got a {type(output).__name__}.")
    fits = len(output.shape) == len(shape) and all(
        want is None or got == want for got, want in zip(output.shape, shape, strict=True)
    )
    if not fits:
        raise ConfigError(f"model: {expected}, got {_words(tuple(output.shape))}.")
    if not output.is_floating_point():
        raise ConfigError(f"model: {expected}, as floating-point numbers, got {output.dtype}.")


def expect_keys(output: Any, keys: tuple[str, ...], what: str) -> None:
    """Check that an output is a dict with the given keys.

    Raises:
        ConfigError: telling what the task expects of `model` and what it got.
    """
    if not isinstance(output, dict):
        raise ConfigError(f"model: The task expects {what}, got a {type(output).__name__}.")
    missing = [key for key in keys if key not in output]
    if missing:
        raise ConfigError(f"model: The task expects {what}; {', '.join(missing)} is missing, got {', '.join(output)}.")


def _words(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
