"""The folder of one run: the only place that names its files."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dltools.cfgutils import ConfigError

IRRELEVANT = ("resume", "hint")
"""Root keys in which two configs of one run may differ."""


@dataclass(frozen=True)
class RunFolder:
    """Paths and plain files of a run.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def last(self) -> Path:
        """Return the newest checkpoint: everything that a resumed run needs."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """Return the checkpoint of the best objective."""
        return self.path / "checkpoints" / "best.pt"

    @property
    def weights(self) -> Path:
        """Return the deployable weights: the model of the best checkpoint and nothing else."""
        return self.path / "weights.pt"

    @property
    def figures(self) -> Path:
        """Return the folder of pictures."""
        return self.path / "figures"

    def claim(self, config: dict[str, Any], overrides: list[str], resume: str | None) -> None:
        """Make the folder this run's own, and write down what is run.

        Raises:
            ConfigError: it holds a run that would be overwritten, or that a resumed run would not continue.
        """
        self._check_free(config, resume)
        self.path.mkdir(parents=True, exist_ok=True)
        self.write("config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
        self.write("overrides.txt", "".join(f"{override}\n" for override in overrides))

    def write(self, name: str, text: str) -> None:
        """Write a text file whole or not at all."""
        partial = self.path / f".{name}.{os.getpid()}"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.path / name)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json; numbers that are not finite become null."""
        self.write("summary.json", json.dumps(_finite(summary), indent=2, default=str, allow_nan=False) + "\n")

    def read_summary(self) -> dict[str, Any]:
        """Return summary.json, empty when there is none."""
        file = self.path / "summary.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def _check_free(self, config: dict[str, Any], resume: str | None) -> None:
        """Refuse a folder whose results would be lost."""
        saved_file = self.path / "config.yaml"
        if not saved_file.is_file() or not self.last.is_file():
            return
        saved = OmegaConf.to_container(OmegaConf.load(saved_file))
        different = sorted(_differences(saved, config))
        if different:
            raise ConfigError(
                f"hydra.run.dir={self.path} holds a run of another config: {'; '.join(different[:5])}"
                f"{f' and {len(different) - 5} more' if len(different) > 5 else ''}. "
                "Choose another folder, or the same values to continue it with resume=auto."
            )
        if resume is None:
            raise ConfigError(
                f"hydra.run.dir={self.path} already holds this very run. "
                "Continue it with resume=auto, or choose another folder."
            )


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(child) for name, child in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(saved: Any, config: Any, key: str = "") -> list[str]:
    """Return `key: saved -> new` for each leaf in which two configs differ."""
    if isinstance(saved, dict) and isinstance(config, dict):
        return [
            difference
            for name in sorted({*saved, *config} - (set(IRRELEVANT) if not key else set()))
            for difference in _differences(saved.get(name), config.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [] if saved == config else [f"{key}: {saved} -> {config}"]
