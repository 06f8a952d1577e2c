"""A value that was set and that nothing consumes is an error, not a silence."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.groups import PLURAL
from dltools.cfgutils.nearest import did_you_mean

logger = logging.getLogger(__name__)


def drop_unchosen(config: DictConfig, overrides: Iterable[str]) -> None:
    """Take out the values of terms that are not chosen any more, in place.

    An experiment may set `loss.focal.gamma` and the command line choose `loss=dice`: the value is left over and is
    dropped with a warning. If the command line itself sets it, nothing consumes what the user typed.

    Raises:
        ConfigError: the command line sets a value of a term that is not chosen.
    """
    typed = [override.lstrip("+") for override in overrides]
    for group in sorted(PLURAL & {str(key) for key in config}):
        terms = config[group]
        chosen = [name for name in terms if "_target_" in terms[name]]
        for name in [name for name in terms if name not in chosen]:
            if any(override.startswith(f"{group}.{name}") for override in typed):
                raise ConfigError(
                    f"{group}.{name} is set and nothing consumes it: {group}={'+'.join(chosen)} has no {name!r}."
                    f"{did_you_mean(name, chosen)} Choose it too: {group}={'+'.join([*chosen, name])}."
                )
            logger.warning("%s.%s is set by a preset, but %s=%s; left out.", group, name, group, "+".join(chosen))
            with open_dict(terms):
                del terms[name]


class Consumer:
    """Hands out the keys of a config's root and knows which nobody asked for.

    Args:
        config: root of a composed config.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        self._taken: set[str] = set()

    def take(self, key: str) -> Any:
        """Return the value of a root key.

        Raises:
            ConfigError: the key has no value.
        """
        self._taken.add(key)
        if key not in self._config or OmegaConf.is_missing(self._config, key):
            raise ConfigError(f"{key} is missing: nothing chose it. Give it as {key}=...")
        return self._config[key]

    def finish(self) -> None:
        """Check that every key with a value was taken.

        Raises:
            ConfigError: naming the first key that nothing consumes, and the nearest that something does.
        """
        for key in map(str, self._config):
            if key not in self._taken and not self._is_empty(key):
                raise ConfigError(
                    f"{key} is set and nothing consumes it.{did_you_mean(key, self._taken)} "
                    f"A run consumes {', '.join(sorted(self._taken))}."
                )

    def _is_empty(self, key: str) -> bool:
        return OmegaConf.is_missing(self._config, key) or self._config[key] in (None, {}, [])
