"""IDX files, the format of MNIST and its successors."""

from __future__ import annotations

import dataclasses
import gzip
import math
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from dltools.cfgutils import DataError, NonNegativeInt, component
from dltools.data.base import Provider, Sample, Split
from dltools.data.faults import UndecodableError, UnknownClassError
from dltools.data.files import missing, stamp
from dltools.data.partition import stratified

IMAGES = "{part}-images-idx3-ubyte"
LABELS = "{part}-labels-idx1-ubyte"
UBYTE = 0x08


@component("data", "idx")
class Idx(Provider):
    """A folder of IDX files such as MNIST or Fashion-MNIST: four files, plain or .gz.

    The validation split is cut from the training files; the test split is `t10k`.
    Samples: `image` (H, W, 1) uint8 and `label`.

    Source: the format is described at yann.lecun.com/exdb/mnist.
    """

    root: str
    """Folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k; each may end in .gz."""
    class_names: list[str] = dataclasses.field(default_factory=list)
    """Names of the classes; empty takes the lines of class_names.txt in root, or else the numbers."""
    val_fraction: Annotated[float, Interval(gt=0, lt=1)] = 0.05
    """Share of each class of the training files that goes to the validation split."""
    seed: NonNegativeInt = 0
    """Decides which images go to the validation split."""

    in_channels = 1

    def __post_init__(self) -> None:
        if not self.class_names:
            listed = Path(self.root, "class_names.txt")
            if listed.is_file():
                self.class_names = [name for name in listed.read_text(encoding="utf-8").splitlines() if name.strip()]
            else:
                self.class_names = [str(label) for label in range(int(self._files("train")[1].array.max()) + 1)]

    def _split(self, name: str) -> Split:
        images, labels = self._files("t10k" if name == "test" else "train")
        if labels.array.max(initial=0) >= self.num_classes:
            at = int(labels.array.argmax())
            raise UnknownClassError(
                f"{labels.path}: label {labels.array[at]} of item {at} must be below {self.num_classes}, "
                f"the number of data.class_names."
            )
        if name == "test":
            return IdxSplit(images, labels, np.arange(len(labels.array)))
        val, train = stratified(labels.array, [self.val_fraction], self.seed)
        return IdxSplit(images, labels, train if name == "train" else val)

    def _files(self, part: str) -> tuple[IdxFile, IdxFile]:
        images = IdxFile(_find(self.root, IMAGES.format(part=part)), ndim=3)
        labels = IdxFile(_find(self.root, LABELS.format(part=part)), ndim=1)
        if len(images.array) != len(labels.array):
            raise DataError(
                f"{images.path} has {len(images.array)} images but {labels.path} has {len(labels.array)} labels; "
                f"there must be one label for each image."
            )
        return images, labels

    def _content(self) -> Iterable[bytes]:
        for part in ("train", "t10k"):
            for pattern in (IMAGES, LABELS):
                yield stamp(_find(self.root, pattern.format(part=part)))


class IdxSplit(Split):
    """Images and labels at some positions of a pair of IDX files."""

    def __init__(self, images: IdxFile, labels: IdxFile, positions: NDArray[np.int64]) -> None:
        self.images = images
        self.labels = labels
        self.positions = positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Sample:
        at = self.positions[index]
        return {
            "image": np.array(self.images.array[at])[..., None],
            "label": int(self.labels.array[at]),
            "index": index,
        }

    def origin(self, index: int) -> str:
        """Return the file of an image and its place there."""
        return f"{self.images.path}, item {self.positions[index]}"

    def column(self, key: str) -> list[int] | None:
        """Return the labels."""
        return self.labels.array[self.positions].tolist() if key == "label" else None


class IdxFile:
    """An IDX file of unsigned bytes: memory-mapped where it is plain, unpacked once by each process where it is .gz."""

    def __init__(self, path: Path, ndim: int) -> None:
        self.path = path
        self.ndim = ndim

    @cached_property
    def array(self) -> NDArray[np.uint8]:
        """The content, read-only.

        Raises:
            DataError: the file is not an IDX file of unsigned bytes and `ndim` dimensions, or it is cut short.
        """
        if self.path.suffix == ".gz":
            content = _unpacked(self.path)
        else:
            content = np.memmap(self.path, np.uint8, mode="r") if self.path.stat().st_size else np.empty(0, np.uint8)
        header = content[: 4 + 4 * self.ndim].tobytes()
        magic = bytes([0, 0, UBYTE, self.ndim])
        if header[:4] != magic:
            raise UndecodableError(
                f"{self.path} must begin with the bytes {magic.hex(' ')}, those of an IDX file of unsigned bytes "
                f"with {self.ndim} dimension{'s' * (self.ndim > 1)}; it begins with {header[:4].hex(' ') or 'nothing'}."
            )
        shape = tuple(int.from_bytes(header[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(self.ndim))
        expected = len(magic) + 4 * self.ndim + math.prod(shape)
        if len(content) != expected:
            raise UndecodableError(
                f"{self.path} must have {expected} bytes, as its header tells of {' x '.join(map(str, shape))} items; "
                f"it has {len(content)}. Copy the file again."
            )
        return content[4 + 4 * self.ndim :].reshape(shape)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "ndim": self.ndim}


def _find(root: str, name: str) -> Path:
    """Return the path of a file, plain before .gz."""
    for candidate in (Path(root, name), Path(root, f"{name}.gz")):
        if candidate.is_file():
            return candidate
    raise missing(Path(root, name), f"the file {name} or {name}.gz")


def _unpacked(path: Path) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    except (OSError, EOFError, zlib.error) as error:
        raise UndecodableError(f"{path} cannot be unpacked ({error}). Copy the file again.") from error
