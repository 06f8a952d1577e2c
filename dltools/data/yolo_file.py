"""The data.yaml of YOLO: names, and where the images are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.faults import MissingError, UndecodableError
from dltools.data.files import IMAGE_SUFFIXES, missing, no_images
from dltools.data.mirror import swaps_by_name
from dltools.data.paths import inside


@dataclass(frozen=True)
class YoloFile:
    """What a data.yaml says."""

    path: Path
    base: Path
    """Folder that the paths in it begin from."""
    class_names: list[str]
    kpt_shape: tuple[int, int] | None
    """Number of keypoints of an object, and of numbers for each."""
    keypoint_names: list[str]
    keypoint_swap: list[list[int]]
    """Pairs of keypoints that trade places in a mirror image."""
    places: dict[str, Any]
    """The whole content, where the images of a split stand under its name."""
    outside: bool

    def images(self, split: str) -> list[Path]:
        """Return the images of a split: of folders and the folders in them, sorted by path, and of lists, in order.

        Raises:
            DataError: there is no such split, folder or list, or no image in it.
        """
        entries = self.places.get(split)
        if entries is None:
            held = [name for name in ("train", "val", "test") if self.places.get(name) is not None]
            raise MissingError(
                f"{self.path} has no {split!r}; it has {', '.join(held) or 'no split'}.{did_you_mean(split, held)} "
                f"Add it, or name another split, such as data.test={held[-1] if held else 'val'}."
            )
        entries = entries if isinstance(entries, list) else [entries]
        if not all(isinstance(entry, str) for entry in entries):
            raise DataError(f"{self.path}: {split} must be a path or a list of paths, got {entries}.")
        found = [image for entry in entries for image in self._images_of(entry, split)]
        if not found:
            raise no_images(self._place(entries[0], split) if entries else self.base)
        return found

    def _images_of(self, entry: str, split: str) -> list[Path]:
        place = self._place(entry, split)
        if place.is_dir():
            return sorted(path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not place.is_file():
            raise missing(place, f"the folder or list of images that {self.path} names under {split}")
        lines = place.read_text(encoding="utf-8").splitlines()
        return [
            inside(
                place.parent if line.startswith("./") else self.base, line.strip(), f"{place}:{number}", self.outside
            )
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]

    def _place(self, entry: str, split: str) -> Path:
        """Return the path of an entry; `../x` that leads nowhere is `x`, as some tools write it so."""
        within = Path(self.base, entry.removeprefix("../"))
        if entry.startswith("../") and not Path(self.base, entry).exists() and within.exists():
            entry = entry.removeprefix("../")
        return inside(self.base, entry, f"{self.path}: {split}", self.outside)


def read_yolo(path: Path, root: Path, outside: bool) -> YoloFile:
    """Return what a data.yaml says.

    Its `path` is where the others begin: a folder below the root, or the root itself, if it ends in the root's name.

    Raises:
        DataError: the file is missing or no YAML, or names or kpt_shape are not as they should be.
    """
    if not path.is_file():
        raise missing(path, f"the file {path.name} with train, val and names")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UndecodableError(f"{path} is no YAML: {error}.") from error
    if not isinstance(content, dict) or not content.get("names"):
        raise DataError(f"{path} must have train, val and names; it has no names.")
    begin = content.get("path") or ""
    if not isinstance(begin, str):
        raise DataError(f"{path}: path must be a folder, got {begin!r}.")
    at_root = not begin or Path(begin.replace("\\", "/")).name in ("", root.resolve().name)
    names = _names(path, content)
    shape = _kpt_shape(path, content.get("kpt_shape"))
    keypoint_names = _keypoint_names(path, content.get("kpt_names"), shape)
    return YoloFile(
        path=path,
        base=root if at_root else inside(root, begin, f"{path}: path", outside),
        class_names=names,
        kpt_shape=shape,
        keypoint_names=keypoint_names,
        keypoint_swap=_keypoint_swap(path, content.get("flip_idx"), keypoint_names),
        places=content,
        outside=outside,
    )


def _names(path: Path, content: dict[str, Any]) -> list[str]:
    names, count = content["names"], content.get("nc")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f"{path}: the keys of names must be 0..{len(names) - 1}, got {', '.join(map(str, names))}.")
        names = [names[place] for place in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise DataError(f"{path}: names must be a list of names or a dict of numbers and names.")
    if count is not None and count != len(names):
        raise DataError(f"{path}: nc is {count}, but there are {len(names)} names; they must be as many.")
    return [str(name) for name in names]


def _kpt_shape(path: Path, shape: Any) -> tuple[int, int] | None:
    if shape is None:
        return None
    if isinstance(shape, list) and len(shape) == 2 and type(shape[0]) is int and shape[0] > 0 and shape[1] in (2, 3):
        return shape[0], int(shape[1])
    raise DataError(f"{path}: kpt_shape must be [number of keypoints, 2 or 3], got {shape!r}.")


def _keypoint_names(path: Path, names: Any, shape: tuple[int, int] | None) -> list[str]:
    """Return the names of the first class' keypoints, or numbers."""
    count = shape[0] if shape else 0
    if names is None:
        return [str(number) for number in range(count)]
    first = next(iter(names.values()), None) if isinstance(names, dict) else names
    if not isinstance(first, list) or len(first) != count:
        raise DataError(f"{path}: kpt_names must be {count} names for each class, as kpt_shape says, got {names!r}.")
    return [str(name) for name in first]


def _keypoint_swap(path: Path, order: Any, names: list[str]) -> list[list[int]]:
    """Return the pairs that flip_idx tells, of each keypoint its place in a mirror image; without it by the names."""
    if order is None or not names:
        return swaps_by_name(names)
    places = list(range(len(names)))
    is_order = isinstance(order, list) and all(type(place) is int for place in order) and sorted(order) == places
    if not is_order or [order[place] for place in order] != places:
        raise DataError(
            f"{path}: flip_idx must be for each of the {len(names)} keypoints the number of the one whose place it "
            f"takes in a mirror image, such that two flips change nothing, got {order}."
        )
    return [[place, other] for place, other in enumerate(order) if place < other]
