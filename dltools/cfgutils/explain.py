"""From an exception to a paragraph for people: what was wrong, where, and what would be right."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from dltools.cfgutils.errors import ConfigError, DataError, TrainingError
from dltools.cfgutils.groups import CALCULATED, PLURAL
from dltools.cfgutils.nearest import did_you_mean
from dltools.cfgutils.options import names_of


def explain(error: BaseException) -> str:
    """Return one paragraph about an error."""
    for link in _chain(error):
        for kind, words in _WORDS:
            if isinstance(link, kind):
                return words(link, error)
    return _unexpected(error)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the cause of a failed override before the error itself."""
    links = [error]
    while isinstance(links[-1], ConfigCompositionException) and links[-1].__cause__ is not None:
        links.append(links[-1].__cause__)
    return links[::-1]


def _plain(error: BaseException, whole: BaseException) -> str:
    """Return the message and where it was; of an error that a loader's worker sent, the part behind its traceback."""
    _, worker, text = str(error).rpartition(f"{type(error).__name__}: ")
    notes = ", ".join(getattr(error, "__notes__", []))
    message = text.strip() if worker and "Original Traceback" in str(error) else str(error)
    return f"{message} ({notes})" if notes else message


def _missing_option(error: BaseException, whole: BaseException) -> str:
    assert isinstance(error, MissingConfigException)
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    names = sorted({*names_of(group), *(error.options or [])})
    if not group or not names:
        return str(error).partition("\nConfig search path")[0]
    choice = re.match(r"In '(?P<parent>[^']+)'", str(error))
    parent = choice["parent"] if choice else ""
    where = f"{group}={parent.rpartition('/')[2]}" if parent.startswith(f"{group}/") else f"{group}={name}"
    joined = f" Several are joined by plus: {group}={names[0]}+{names[1]}." if group in PLURAL and names[1:] else ""
    return f"{where}: {name!r} is no {group}.{did_you_mean(name, names)} Options: {', '.join(names)}.{joined}"


def _unknown_key(error: BaseException, whole: BaseException) -> str:
    assert isinstance(error, OmegaConfBaseException)
    parent = error.parent_node
    known = [str(key) for key in parent] if isinstance(parent, DictConfig) else []
    asked = re.search(r"Could not override '([^']+)'", str(whole))
    full_key = str(error.full_key or (asked[1] if asked else error.key))
    where = full_key.rpartition(".")[0] or "the config"
    return (
        f"{full_key}: there is no key {str(error.key)!r} in {where}.{did_you_mean(str(error.key), known)} "
        f"It has {', '.join(known) or 'no keys'}."
    )


def _wrong_type(error: BaseException, whole: BaseException) -> str:
    assert isinstance(error, OmegaConfBaseException)
    asked = re.search(r"Error merging override (\S+)", str(whole))
    where = asked[1] if asked else str(error.full_key or error.key or "config")
    return f"{where}: {str(error).splitlines()[0]}."


def _missing_value(error: BaseException, whole: BaseException) -> str:
    assert isinstance(error, OmegaConfBaseException)
    return f"{error.full_key} is missing: give it as {error.full_key}=..."


def _unreadable(error: BaseException, whole: BaseException) -> str:
    """Return what Hydra says of an override that it cannot read; parentheses it takes for functions of its own."""
    assert isinstance(error, OverrideParseException)
    key, _, value = error.override.partition("=")
    if key.lstrip("+").partition(".")[0] in CALCULATED and set(value) & set("(,"):
        return f"{error.override}: an expression with parentheses or commas stands in quotes: \"{key}='{value}'\""
    return str(error)


def _composition(error: BaseException, whole: BaseException) -> str:
    text = str(error)
    group = re.match(r"Could not override '([^'@]+)'. No match in the defaults list", text)
    if group:
        return (
            f"{group[1]}: this config chooses no {group[1]}, so there is none to replace. "
            f"Add one with a plus: +{group[1]}=..."
        )
    hint = " Its first line must be `# @package _global_`." if re.search(r"override '\S+@experiment\.", text) else ""
    return " ".join(text.partition("\nConfig search path")[0].split()) + hint


def _unexpected(error: BaseException) -> str:
    """Return type, message and notes of an error that no row knows, and where it was raised."""
    problems = getattr(error.__cause__, "errors", None)
    if callable(problems):
        return _refused(problems(), error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", []))
    return f"{type(error).__name__}: {error}{where}{notes}."


def _refused(problems: list[dict[str, Any]], error: BaseException) -> str:
    """Return what pydantic, which albumentations checks its parameters with, refuses; of each parameter the first."""
    first = {str(problem["loc"][0]): problem for problem in reversed(problems) if problem["loc"]}
    said = [f"{name}: {problem['msg']}, got {problem['input']!r}" for name, problem in reversed(first.items())]
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", []))
    return f"{'; '.join(said) or error}{notes}."


_WORDS: tuple[tuple[type | tuple[type, ...], Callable[[BaseException, BaseException], str]], ...] = (
    ((ConfigError, DataError, TrainingError), _plain),
    (MissingConfigException, _missing_option),
    ((ConfigAttributeError, ConfigKeyError), _unknown_key),
    (MissingMandatoryValue, _missing_value),
    (InterpolationResolutionError, _wrong_type),
    (ValidationError, _wrong_type),
    (OverrideParseException, _unreadable),
    (ConfigCompositionException, _composition),
)
