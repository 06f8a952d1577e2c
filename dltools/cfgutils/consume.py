"""A value that was set and that nothing consumes is an error, not a silence."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.nearest import did_you_mean


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
        value = self._config._get_node(key)
        if value is None or value._is_missing():
            raise ConfigError(f"{key} is missing: nothing chose it. Give it as {key}=...")
        return self._config[key]

    def finish(self) -> None:
        """Check that every key with a value was taken.

        Raises:
            ConfigError: naming the first key that nothing consumes, and the nearest that something does.
        """
        for key in self._config:
            if str(key) not in self._taken and not self._is_empty(str(key)):
                raise ConfigError(
                    f"{key} is set and nothing consumes it.{did_you_mean(str(key), self._taken)} "
                    f"A run consumes {', '.join(sorted(self._taken))}."
                )

    def _is_empty(self, key: str) -> bool:
        node = self._config._get_node(key)
        return node is None or node._is_missing() or not self._config[key]
