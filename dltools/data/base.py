"""What a data set is to the rest of the house: named splits of sample dicts, and facts that a model must know."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean

Sample = dict[str, Any]
"""One sample: `image` (H, W, C) uint8 or uint16, `index`, and of `label`, `mask`, `boxes`, `labels`, `keypoints`,
`area` and `iscrowd` those that it has."""

SPLITS = ("train", "val", "test")


class Split(ABC):
    """Samples of one part of a data set, by position. Splits can be pickled, and read from several threads."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return the sample at a position; its arrays are the caller's own.

        Raises:
            IndexError: the position is not in `range(len(self))`.
            DataError: the sample cannot be read; names the file and what would be right.
        """

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has; a provider that knows without reading the image overrides this."""
        return len(self[index]["boxes"])

    def origin(self, index: int) -> str:
        """Return the file of a sample, or what else names it to people; empty where nothing does. Reads nothing."""
        return ""

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample are poses, (N,): they are no crowds, and a keypoint or more is visible.

        A provider that knows without reading the image overrides this.
        """
        sample = self[index]
        crowds = sample.get("iscrowd", np.zeros(len(sample["boxes"]), np.bool_))
        return (sample["keypoints"][..., 2] > 0).any(1) & ~crowds if "keypoints" in sample else np.zeros_like(crowds)

    def column(self, key: str) -> list[Any] | None:
        """Return what all samples have under a key; None where that must be read sample by sample.

        A provider that knows without reading the images overrides this: `label` is a list of ids, `labels` a list of
        arrays. It may also tell what is in no sample, such as another column of a table.
        """
        return None

    def __iter__(self) -> Iterator[Sample]:
        """Go through the samples in order."""
        return (self[index] for index in range(len(self)))


class Provider(ABC):
    """A data set: three splits, and the names of what is in them.

    Subclasses are components of group `data`. They are cheap to make: files are read when a sample is asked for.
    """

    class_names: list[str]
    """Names of the label ids, in order."""
    in_channels: int
    """Channels of an image."""
    bits: int = 8
    """Bits of a channel: 8 for images of uint8, 16 for uint16."""
    keypoint_names: Sequence[str] = ()
    """Names of the joints of an object, in order; empty where there are none."""
    keypoint_swap: Sequence[Sequence[int]] = ()
    """Pairs of joints that trade places in a mirror image, such as left and right eye."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline; a field of the providers that have masks."""

    def split(self, name: str) -> Split:
        """Return the split of that name.

        Raises:
            DataError: there is no such split, or its files are missing.
        """
        if name not in SPLITS:
            raise DataError(f"There is no split {name!r}; splits are {', '.join(SPLITS)}.{did_you_mean(name, SPLITS)}")
        return self._split(name)

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order; id 0 is the background unless a provider says otherwise."""
        return ["background", *self.class_names]

    @property
    def num_classes(self) -> int:
        """Number of label ids."""
        return len(self.class_names)

    @property
    def num_mask_classes(self) -> int:
        """Number of ids in a mask."""
        return len(self.mask_names)

    @property
    def num_keypoints(self) -> int:
        """Number of joints of an object."""
        return len(self.keypoint_names)

    @property
    def fingerprint(self) -> str:
        """Hash of what determines the samples: the fields and the content, or for files their names, sizes and times.

        The place of the files is left out, so that a moved data set keeps its fingerprint, and so are distance maps,
        which are made of the samples.
        """
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        fields = {name: getattr(self, name) for name in names if name not in ("root", "distance_maps")}
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([type(self).__qualname__, fields], sort_keys=True).encode())
        for part in self._content():
            digest.update(part)
        return digest.hexdigest()

    @abstractmethod
    def _split(self, name: str) -> Split:
        """Return one of the three splits."""

    @abstractmethod
    def _content(self) -> Iterable[bytes]:
        """Yield what the fingerprint hashes besides the fields."""
