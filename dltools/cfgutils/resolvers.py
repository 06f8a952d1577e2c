"""Resolvers for interpolations. What is random or reads the clock belongs under `hydra.*` only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from dltools.cfgutils.errors import ConfigError, DataError, add_note


def register_resolvers() -> None:
    """Register `uid` and `stats`.

    `${uid:}` is four random hexadecimal digits, the same wherever it stands in one config. `${stats:...}` is a number
    of the data, which whoever knows the data says how to find: `answer_statistics`.
    """
    OmegaConf.register_new_resolver("uid", lambda: secrets.token_hex(2), use_cache=True, replace=True)
    if not OmegaConf.has_resolver("stats"):
        answer_statistics(_unknown)


def answer_statistics(answer: Callable[..., Any]) -> None:
    """Set who answers `${stats:name,argument,...}`.

    While a config is composed, when it is only asked whether there is a value, that is an empty list.

    Args:
        answer: called with the root of the config, the name and the arguments.
    """

    def statistic(name: str, *arguments: Any, _root_: DictConfig) -> Any:
        composed = "hydra" not in _root_ and all(key in _root_ for key in ("data", "policy", "augs", "loader"))
        return answer(_root_, name, *arguments) if composed else []

    OmegaConf.register_new_resolver("stats", statistic, replace=True)


def _unknown(config: DictConfig, name: str, *arguments: Any) -> Any:
    raise ConfigError(f"${{stats:{name}}} is known in a run, where the data are read.")


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return a config as plain values, with what its interpolations stand for.

    Raises:
        MissingMandatoryValue: a value is missing.
        ConfigError: a resolver of ours refused, as it said, with a note of the config key. DataError likewise.
    """
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except InterpolationResolutionError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ConfigError | DataError):
            cause = cause.__context__
        if cause is None:
            raise
        add_note(cause, f"in {error.full_key}")
        raise cause from None
