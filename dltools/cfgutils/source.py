"""The config source that knows components from the file tree and reads expressions.

Asked for `loss/dice` it answers with the structured config that the module defining it puts into the ConfigStore; the
module is imported only when Hydra merges that config, so that a wrong name is refused before anything is. For
`loss/0.7*dice+focal` it answers with a config whose defaults list names the terms, and for `objective/val/iou` with
the component `objective/expression` that has `val/iou` as its `expr`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import Container, OmegaConf

from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.expression import Expression
from dltools.cfgutils.groups import CALCULATED, package_of
from dltools.cfgutils.index import index
from dltools.cfgutils.terms import is_expression, parse


class ComponentResult(ConfigResult):
    """A component's config, made when it is merged.

    Hydra first gathers all that is chosen, for which it asks each config for its defaults list: a component has none,
    so until that list is noted its config is an empty one. It is its own schema too, and Hydra must not match it with
    the one of the same name.
    """

    def __init__(self, provider: str, path: str, package: str, make: Callable[[], Container]) -> None:
        super().__init__(provider=provider, path=path, config=OmegaConf.create(), header={"package": package})
        self._make: Callable[[], Container] | None = make

    @property
    def config(self) -> Container:
        """The structured config."""
        if self._make is not None and self.defaults_list is not None:
            self.config = self._make()
        return self._config

    @config.setter
    def config(self, value: Container) -> None:
        self._config, self._make = value, None

    @property
    def is_schema_source(self) -> bool:
        """Tell that this result needs no schema."""
        return True

    @is_schema_source.setter
    def is_schema_source(self, value: bool) -> None:
        pass


class ComponentSource(ConfigSource):
    """Hydra config source of scheme `dltools://`; any Hydra program may list it in its `hydra.searchpath`."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of the search path entry."""
        return "dltools"

    def available(self) -> bool:
        """Return True: the index is always there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Tell whether a path is a group that has components."""
        path = config_path.strip("/")
        return any(group == path or group.startswith(f"{path}/") for group in index().groups())

    def is_config(self, config_path: str) -> bool:
        """Tell whether a path is a component or an expression."""
        group, name = _split(config_path)
        return group in CALCULATED or is_expression(group, name) or index().find(group, name) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the structured config of a component, or what an expression stands for."""
        group, name = _split(config_path)
        if index().find(group, name) is not None:
            return self._component(group, name)
        if group in CALCULATED:
            Expression.parse(name, group)
            return self._component(group, "expression", expr=name)
        terms = OmegaConf.create(_expression_config(group, name))
        return ConfigResult(provider=self.provider, path=self._path, config=terms, header={"package": None})

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the components of a group, without importing them; where a logged value is chosen, the usual ones."""
        path = config_path.strip("/")
        groups = {group for group in index().groups() if not path} if results_filter != ObjectType.CONFIG else set()
        names = index().names(path) if results_filter != ObjectType.GROUP else []
        if path in CALCULATED and names:
            names += ["val/loss", *(f"val/{metric}" for metric in index().names("metric"))]
        return sorted({*groups, *names})

    def _component(self, group: str, name: str, **values: Any) -> ConfigResult:
        return ComponentResult(
            self.provider, self._path, package_of(group, name), lambda: _stored_config(group, name, values)
        )

    @property
    def _path(self) -> str:
        return f"{self.scheme()}://{self.path}"


def _stored_config(group: str, name: str, values: dict[str, Any]) -> Container:
    entry = index().find(group, name)
    assert entry is not None
    ensure_stored(group, name, entry.module)
    node = ConfigStore.instance().load(f"{group}/{name}.yaml").node
    for field, value in values.items():
        node[field] = value
    return node


def _split(config_path: str) -> tuple[str, str]:
    """Return the group and the choice; an expression of logged values has slashes of its own."""
    path = config_path.strip("/").removesuffix(".yaml")
    first, _, rest = path.partition("/")
    if first in CALCULATED and rest:
        return first, rest
    group, _, name = path.rpartition("/")
    return group, name


def _expression_config(group: str, expression: str) -> dict[str, Any]:
    config: dict[str, Any] = {"defaults": []}
    for term in parse(group, expression):
        is_component = index().find(group, term.name) is not None
        config["defaults"].append(f"/{group}/{term.name}@{term.name if is_component else '_here_'}")
        if term.weight is None:
            continue
        if not is_component:
            raise ConfigError(
                f"{group}={expression}: {term.name!r} is not a component, and only a component carries a weight. "
                f"Components of {group}: {', '.join(index().names(group))}; "
                "the weights of a preset stand in its file."
            )
        config[term.name] = {"weight": term.weight}
    config["defaults"].append("_self_")
    return config
