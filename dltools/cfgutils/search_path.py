"""Where presets and components are found."""

from __future__ import annotations

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from dltools.cfgutils.options import presets_folder
from dltools.cfgutils.resolvers import register_resolvers
from dltools.cfgutils.schema import store_schema

PROVIDER = "dltools"


class ComponentSearchPath(SearchPathPlugin):
    """Puts the component source behind the presets."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the source of components."""
        search_path.append(provider=PROVIDER, path="dltools://")


def prepare_hydra() -> None:
    """Teach Hydra the components, the root schema and the resolvers. Call it before `hydra.main` or `compose`."""
    register_resolvers()
    store_schema()
    plugins = Plugins.instance()
    if ComponentSearchPath not in plugins.discover(SearchPathPlugin):
        plugins.register(ComponentSearchPath)


def compose(overrides: list[str], config_name: str = "train") -> DictConfig:
    """Compose a config as the entrypoint does, without running anything.

    Args:
        overrides: as on the command line, such as `["task=segmentation", "loss=dice+focal"]`.
        config_name: primary config of the presets folder.
    """
    prepare_hydra()
    with hydra.initialize_config_dir(str(presets_folder()), version_base="1.3"):
        return hydra.compose(config_name, overrides=overrides, return_hydra_config=True)
