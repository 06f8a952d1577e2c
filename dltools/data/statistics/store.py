"""What was counted, as a file that knows which data it is of."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from filelock import FileLock

logger = logging.getLogger(__name__)
HEAD = "# Statistics of a data set, made by dltools; they count for the data of this fingerprint.\n"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class StatisticsFile:
    """Facts about a data set by name, in a plain YAML file.

    Several processes may share it: one counts, the others wait and read.

    Args:
        path: the file.
        fingerprint: of the data, `Provider.fingerprint`; facts about other data are stale and never returned.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def read(self) -> dict[str, Any]:
        """Return the facts of the file, none where it is missing, damaged or stale; a warning tells of the latter."""
        try:
            content = yaml.load(self.path.read_text("utf-8"), Loader)  # the safe loader, or its equal in C
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            logger.warning("%s cannot be read and is made anew: %s", self.path, error)
            return {}
        if not isinstance(content, dict) or not isinstance(content.get("facts"), dict):
            logger.warning("%s holds no statistics and is made anew.", self.path)
            return {}
        if content.get("fingerprint") != self.fingerprint:
            logger.warning("%s is stale: the data have changed since; counted anew.", self.path)
            return {}
        return content["facts"]

    def write(self, facts: Mapping[str, Any]) -> None:
        """Replace the facts; written beside the file and then renamed.

        Raises:
            OSError: the file cannot be written.
        """
        content = {"fingerprint": self.fingerprint, "facts": plain(facts)}
        partial = self.path.with_name(f"{self.path.name}.partial")
        text = yaml.dump(content, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=120)
        partial.write_text(HEAD + text, "utf-8")
        os.replace(partial, self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from reading and writing.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            yield


def plain(value: Any) -> Any:
    """Return a result as dicts, lists, numbers and strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
