"""The dicts of a batch's images, put together to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dltools.distutils import widest_float


class Columns:
    """The objects of the images of a batch, predicted or true, whose values are put one below the other.

    Args:
        images: a dict for each image.
        what: `preds` or `target`, for the words of an error.
        key: of the tensors (n, *shape) that tell how many objects an image has.
        shape: sizes of theirs behind the first; None is any.
        first: index of the first image.

    Raises:
        ValueError: a tensor is missing or of another shape.
    """

    def __init__(
        self, images: Sequence[Mapping[str, Any]], what: str, key: str, shape: Sequence[int | None], first: int
    ) -> None:
        self.images = images
        self.what = what
        self.key = key
        self.first = first
        self.counts: list[int] = []
        """Number of objects in each image."""
        self.sizes: list[torch.Size] = []
        """Shape of each image's tensor under `key`."""
        self.parts: list[Tensor] = []
        """Those tensors, of images that have any."""
        for index, image in enumerate(images):
            part = self._given(image, key, index)
            if part.numel():
                self._check(part, key, (None, *shape), index)
                self.parts.append(part)
            self.sizes.append(part.shape)
            self.counts.append(len(part) if part.numel() else 0)
        self.device = self.parts[0].device if self.parts else torch.device("cpu")

    def column(self, key: str, default: Tensor | None = None, width: int | None = None) -> Tensor:
        """Return what is under a key, (n,) or (n, width), in the widest float of the device.

        Args:
            key: of tensors with a row for each object.
            default: stands for the tensors of images that have none; None makes them an error.
            width: of the rows; None is a number for each object.
        """
        if default is not None and not any(key in image for image in self.images):
            return default
        sizes = () if width is None else (width,)
        own: Sequence[Tensor | None] = [None] * len(self.counts) if default is None else default.split(self.counts)
        parts = []
        for index, (image, count, part) in enumerate(zip(self.images, self.counts, own, strict=True)):
            if part is None or key in image:
                part = self._given(image, key, index)
            if count or part.numel():
                self._check(part, key, (count, *sizes), index)
                parts.append(part)
        return self.joined(parts, *sizes)

    def joined(self, parts: Sequence[Tensor], *sizes: int) -> Tensor:
        """Return tensors (n, *sizes) as one, in the widest float of the device."""
        dtype = widest_float(self.device)
        if not parts:
            return torch.zeros(0, *sizes, dtype=dtype, device=self.device)
        return torch.cat([part.detach().to(self.device) for part in parts]).to(dtype)

    def _given(self, image: Mapping[str, Any], key: str, index: int) -> Tensor:
        if key not in image:
            beside = "" if key == self.key else f" beside the {self.key}"
            raise ValueError(f"{key} is missing{beside} in {self.what} of image {self.first + index}")
        return torch.as_tensor(image[key])

    def _check(self, part: Tensor, key: str, shape: Sequence[int | None], index: int) -> None:
        fits = len(part.shape) == len(shape) and all(
            wanted is None or size == wanted for size, wanted in zip(part.shape, shape, strict=True)
        )
        if not fits:
            sizes = [str(size) if size is not None else "n" if place == 0 else "*" for place, size in enumerate(shape)]
            wanted = f"({', '.join(sizes)})" if len(sizes) > 1 else f"({sizes[0]},)"
            why = "" if key == self.key else f" as there are {self.key}"
            got = f"{tuple(part.shape)} in {self.what} of image {self.first + index}"
            raise ValueError(f"{key} must be {wanted}{why}, got {got}")
