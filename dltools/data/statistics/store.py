"""Results of statistics as a file that knows which data it is of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dltools.cfgutils import DataError
from dltools.data.statistics.base import Accumulator

FILE_NAME = "data_stats.yaml"
HEAD = "# Statistics of a data set, made by dltools: of the data with this fingerprint, and of what was asked.\n"


def save(path: Path | str, results: Mapping[str, Any], *, fingerprint: str, asked: str) -> None:
    """Write results as plain YAML, beside the place and then renamed.

    Args:
        path: the file, such as `data_stats.yaml`.
        results: what statistics say by name, such as `{"train": collected.results}`.
        fingerprint: of the provider, `Provider.fingerprint`.
        asked: hash of what was counted, `request_hash`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"fingerprint": fingerprint, "asked": asked, "results": plain(results)}
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(HEAD + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120), "utf-8")
    os.replace(partial, path)


def load(path: Path | str, *, fingerprint: str, asked: str) -> dict[str, Any]:
    """Return the results of a file, if they are of this data and of what is asked.

    Raises:
        DataError: the file is missing, is no such file, or is stale; tells what to do.
    """
    try:
        content = yaml.safe_load(Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; collect the statistics of the data first.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({error}); collect the statistics again.") from error
    if not isinstance(content, dict) or not {"fingerprint", "asked", "results"} <= content.keys():
        raise DataError(f"{path} must have fingerprint, asked and results, as statistics have; collect them again.")
    for key, expected, changed in (
        ("fingerprint", fingerprint, "the data have changed"),
        ("asked", asked, "other statistics are asked for"),
    ):
        if content[key] != expected:
            raise DataError(
                f"{path} is stale: {changed} since it was written ({key} {content[key]} there, {expected} now); "
                "collect the statistics again."
            )
    return content["results"]


def request_hash(splits: Mapping[str, Mapping[str, Accumulator[Any]]]) -> str:
    """Return a hash of what is counted: the kinds and settings of the accumulators by split and name."""
    asked = {
        split: {name: [type(each).__qualname__, plain(each.settings)] for name, each in accumulators.items()}
        for split, accumulators in splits.items()
    }
    return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).hexdigest()


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
