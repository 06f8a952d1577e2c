"""Kinds of what can be wrong with a data set, for those who count them; each is a DataError like any other."""

from __future__ import annotations

from dltools.cfgutils import DataError


class MissingError(DataError):
    """A file, a folder or a split that should be there is not."""


class UndecodableError(DataError):
    """A file is damaged, cut short, or of another format."""


class TooLargeError(DataError):
    """An image is larger than may be decoded."""


class LeadsOutError(DataError):
    """An annotation file names a path out of the data."""


class SizeError(DataError):
    """A mask has not the size of its image, or an image not the one that is recorded."""


class UnknownClassError(DataError):
    """A label, a class id or a colour is none of the classes."""


class BoxError(DataError):
    """A box is empty, or lies outside of its image."""
