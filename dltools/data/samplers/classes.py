"""The classes that each sample has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import ConfigError
from dltools.data.base import Split
from dltools.data.composed import column_of

IGNORED = 255
"""Id of mask pixels that nobody labelled."""


def classes_of(split: Split, key: str) -> list[NDArray[np.int64]]:
    """Return the class ids of each sample, sorted and each once; reads every sample once unless the split knows them.

    Args:
        split: the samples.
        key: what tells the classes: `label`, `labels` or `mask`.

    Raises:
        ConfigError: samples have no such key.
        DataError: a sample cannot be read.
    """
    found = []
    for index, value in enumerate(column_of(split, key)):
        if value is None:
            raise ConfigError(f"sampler: needs the {key} of all samples, and sample {index} has none.")
        ids = np.unique(np.asarray(value, np.int64))
        found.append(ids[ids != IGNORED] if key == "mask" else ids)
    return found
