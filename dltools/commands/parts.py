"""What a command needs of a run: its config and its data, without training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import open_dict

from dltools.cfgutils.build import build, check_targets
from dltools.cfgutils.consume import drop_unchosen
from dltools.cfgutils.imports import add_imports, imports_of
from dltools.cfgutils.search_path import compose
from dltools.policies.statistics import count_for_configs

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from dltools.augs.pipeline import Augmentations
    from dltools.data.base import Provider
    from dltools.policies.base import Policy


class Parts:
    """The parts of a run that commands ask for, each built when it is first asked for.

    Args:
        words: what would stand on the command line of the training, such as `data=coco data.root=photos`.

    Raises:
        ConfigError: a word is wrong. Hydra's own errors keep their type.
    """

    def __init__(self, words: list[str]) -> None:
        add_imports(imports_of(words))
        count_for_configs()
        config = compose(words)
        with open_dict(config):
            del config["hydra"]
        add_imports(config.imports)
        drop_unchosen(config, words)
        self.config: DictConfig = config
        self._built: dict[str, Any] = {}

    @property
    def data(self) -> Provider:
        """The data set."""
        return self._part("data")

    @property
    def policy(self) -> Policy:
        """The training script of the task."""
        return self._part("policy")

    @property
    def augs(self) -> Augmentations:
        """The augmentations, with what the task knows of the data."""
        return self._part("augs", **self.policy.facts(self.data))

    def _part(self, key: str, **context: Any) -> Any:
        if key not in self._built:
            check_targets(self.config[key], key)
            self._built[key] = build(self.config[key], key, **context)
        return self._built[key]
