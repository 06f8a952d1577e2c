"""What the samples of a run are, so that what was made of them once can be found again."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dltools

if TYPE_CHECKING:
    from dltools.augs.dataset import AugmentedSplit
    from dltools.data.base import Provider, Split
    from dltools.loaders.samples import SampleStore

logger = logging.getLogger("dltools")
PLAIN = (bool, int, float, str)


def identity_of(dataset: AugmentedSplit, source: Split) -> tuple[list[Any], list[str]]:
    """Return what is made of a provider's split before anything random is done to it, and what of it is unknown.

    Args:
        dataset: gives the samples.
        source: the provider's split that they are made of, by splits that have another one as `split`.

    Returns:
        Plain values; and the names of fields whose values cannot be written as such.
    """
    layers, unknown, samples = [], [], dataset.split
    while samples is not source:
        kind = type(samples)
        fields = {name: value for name, value in vars(samples).items() if not _is_derived(kind, name)}
        source_of_these = fields.pop("split", None)
        plain = {name: _described(value) for name, value in fields.items()}
        unknown += [f"{kind.__qualname__}.{name}" for name, value in plain.items() if value is None]
        layers.append([kind.__qualname__, plain])
        if source_of_these is None:
            unknown.append(f"{kind.__qualname__}.split")
            break
        samples = source_of_these
    return [getattr(source, "name", type(source).__qualname__), layers, dataset.recipe], unknown


def store_of(
    dataset: AugmentedSplit, source: Split, split: str, data: Provider, fingerprint: str, config: Any, limit: str | None
) -> SampleStore | None:
    """Return the files that keep the samples of a data set as they are before anything random is done to them.

    Args:
        dataset: gives the samples.
        source: the provider's split that they are made of.
        split: name of that split.
        data: the provider.
        fingerprint: the provider's, which takes a while where there are many files.
        config: what the config says of the data, with its place, in plain values.
        limit: of the disk that all such files may take, as `loader.cache_limit`.

    Returns:
        None where that cannot be known, which is told.
    """
    from dltools.loaders.samples import SampleStore, samples_folder

    identity, unknown = identity_of(dataset, source)
    if unknown:
        logger.warning("Samples of split %r are not cached, for nobody can tell %s again.", split, ", ".join(unknown))
        return None
    identity = [config or fingerprint, split, *identity]
    kind = type(data).__name__
    sources = [_source_of(type(part)) for part in (data, source, dataset.split)]
    return SampleStore(
        samples_folder() / f"{kind.lower()}-{split}-{digest_of(identity)}",
        len(dataset),
        digest_of([identity, len(dataset), fingerprint, _versions(), sources]),
        limit,
        about=f"{kind} {getattr(data, 'root', '')}".strip(),
    )


def pipeline_of(
    dataset: AugmentedSplit, source: Split, split: str, data: Provider, fingerprint: str, config: Any, completed: Any
) -> str | None:
    """Return what tells the samples of a run from others, all that is done to them included.

    Args:
        dataset: gives the samples.
        source: the provider's split that they are made of.
        split: name of that split.
        data: the provider.
        fingerprint: the provider's.
        config: what the config says of the data, with its place, in plain values.
        completed: what is loaded, made of `dataset`.

    Returns:
        None where that cannot be known.
    """
    identity, unknown = identity_of(dataset, source)
    if unknown:
        return None
    sources = [_source_of(type(part)) for part in (data, source, dataset.split, completed)]
    sources += [_source_of(kind) for kind in dataset.kinds]
    parts = [config, fingerprint, split, *identity, len(dataset), dataset.draws, type(completed).__qualname__]
    return digest_of([*parts, _versions(), sources])


def digest_of(values: Any) -> str:
    """Return a hash of plain values."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _versions() -> list[str]:
    """Return the versions of all that reads and transforms."""
    import albumentations
    import cv2
    import numpy
    import PIL

    return [library.__version__ for library in (dltools, albumentations, cv2, numpy, PIL)]


def _described(value: Any) -> Any:
    """Return the value of a field in plain values, None where that cannot be."""
    import numpy as np

    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return [value.dtype.str, value.shape, hashlib.blake2b(value.tobytes(), digest_size=8).hexdigest()]
    if isinstance(value, list | tuple):
        values = [_described(each) for each in value]
        return None if None in values else values
    return value if isinstance(value, PLAIN) else "none" if value is None else None


def _is_derived(kind: type, name: str) -> bool:
    """Tell whether a field is calculated from others when it is first asked for."""
    return isinstance(inspect.getattr_static(kind, name, None), cached_property)


def _source_of(kind: type) -> str:
    """Return a hash of the file that a class is defined in, so that changed code is another version."""
    try:
        return hashlib.blake2b(Path(inspect.getfile(kind)).read_bytes(), digest_size=8).hexdigest()
    except (OSError, TypeError):
        return ""
