"""Classification from a folder for each class."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from dltools.cfgutils import component
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.faults import UnknownClassError
from dltools.data.files import folders_in, images_in, no_images, stamp
from dltools.data.image_files import ImageFiles, ImageReader


@component("data", "folder")
class Folder(ImageFiles):
    """Images in a folder for each class: <root>/<split>/<class>/<name>.jpg.

    The classes are the folders of the training split, sorted by name. Samples: `image` (H, W, C) and `label`.
    """

    root: str
    """Folder with train, val and test."""

    @cached_property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """Names of the classes: the folders of the training split."""
        return [folder.name for folder in folders_in(Path(self.root, "train"))]

    def _split(self, name: str) -> Split:
        return FolderSplit(Path(self.root, name), self.class_names, self.read)

    def _content(self) -> Iterable[bytes]:
        for name in SPLITS:
            if Path(self.root, name).is_dir():
                for folder in folders_in(Path(self.root, name)):
                    yield folder.name.encode()
                    yield from map(stamp, images_in(folder))


class FolderSplit(Split):
    """Images of one split with the label that their folder tells, read when they are asked for."""

    def __init__(self, folder: Path, class_names: list[str], read: ImageReader) -> None:
        self.items: list[tuple[Path, int]] = []
        self.read = read
        for class_folder in folders_in(folder):
            if class_folder.name not in class_names:
                raise UnknownClassError(
                    f"data.root: {class_folder} is no class of the training split; its classes are "
                    f"{', '.join(class_names)}.{did_you_mean(class_folder.name, class_names)}"
                )
            label = class_names.index(class_folder.name)
            self.items += [(path, label) for path in images_in(class_folder)]
        if not self.items:
            raise no_images(folder)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        path, label = self.items[index]
        return {"image": self.read(path), "label": label, "index": index}

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(self.items[index][0])

    def column(self, key: str) -> list[int] | None:
        """Return the labels."""
        return [label for _, label in self.items] if key == "label" else None
