"""Errors of the config core. Lower-level code raises them; only the entrypoint prints for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """A config asks for something that cannot be. The message names the key and what would be right."""


class FieldError(ConfigError):
    """A field of a component has a value it must not have.

    Args:
        field: name of the field, which `build` completes to the whole config key.
        problem: the rest of the sentence, such as `must be at least 1, got -3`.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class DataError(ValueError):
    """Data from outside is missing or unusable. The message names the file, the sample index and the remedy."""


class SampleError(DataError):
    """A sample cannot be read, or its targets are impossible.

    Args:
        message: what is wrong, with the sample and its split; the only thing that a loader's worker hands on.
        index: position of the sample in its split.
        reason: the same without the sample.
    """

    def __init__(self, message: str, index: int = -1, reason: str = "") -> None:
        super().__init__(message)
        self.index = index
        self.reason = reason


class TrainingError(RuntimeError):
    """Training cannot go on. The message names the value, the step and what usually helps."""


def add_note(error: Exception, where: str) -> None:
    """Let an error tell where it was, such as `in metric.iou`; `explain` and Python's own tracebacks show it."""
    error.__notes__ = [*getattr(error, "__notes__", []), where]  # type: ignore[attr-defined]


@contextmanager
def noting(where: str | Callable[[], str]) -> Iterator[None]:
    """Add a note, made only then, to an error that passes through, which keeps its type."""
    try:
        yield
    except Exception as error:
        add_note(error, where if isinstance(where, str) else where())
        raise
