"""What can be wrong with a data set, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dltools.cfgutils import ConfigError, DataError
from dltools.cfgutils.explain import explain
from dltools.data.faults import (
    BoxError,
    LeadsOutError,
    MissingError,
    SizeError,
    TooLargeError,
    UndecodableError,
    UnknownClassError,
)


class Severity(str, Enum):
    """How bad it is."""

    error = "error"
    """Training would fail, or learn or measure something else."""
    warning = "warning"
    """Most likely a mistake, but training goes on with it."""
    note = "note"
    """Good to know."""


class Kind(str, Enum):
    """What is wrong, in the order of a report."""

    missing = "missing"
    undecodable = "undecodable"
    too_large = "too_large"
    leads_out = "leads_out"
    form = "form"
    failed = "failed"
    size = "size"
    channels = "channels"
    unknown_class = "unknown_class"
    box = "box"
    not_finite = "not_finite"
    leak = "leak"
    duplicate = "duplicate"
    blank = "blank"
    empty_mask = "empty_mask"
    box_partly = "box_partly"
    keypoint_outside = "keypoint_outside"
    unused_class = "unused_class"
    unseen_class = "unseen_class"
    imbalance = "imbalance"
    shared = "shared"
    no_test = "no_test"

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self][0]

    @property
    def words(self) -> str:
        """What stands above all of a kind."""
        return KINDS[self][1]


KINDS: dict[Kind, tuple[Severity, str]] = {
    Kind.missing: (Severity.error, "what should be there is missing"),
    Kind.undecodable: (Severity.error, "files that cannot be decoded"),
    Kind.too_large: (Severity.error, "images that are too large to be decoded"),
    Kind.leads_out: (Severity.error, "paths that lead out of the data"),
    Kind.form: (Severity.error, "annotations or samples of a wrong form"),
    Kind.failed: (Severity.error, "samples at which the code of the data set failed"),
    Kind.size: (Severity.error, "sizes that differ"),
    Kind.channels: (Severity.error, "images of another kind than the rest"),
    Kind.unknown_class: (Severity.error, "labels and class ids that are none of the classes"),
    Kind.box: (Severity.error, "boxes that are empty or outside of the image"),
    Kind.not_finite: (Severity.error, "numbers that are not finite"),
    Kind.leak: (Severity.error, "images of train that are in val or test too"),
    Kind.duplicate: (Severity.warning, "images that are in a split more than once"),
    Kind.blank: (Severity.warning, "images of one colour"),
    Kind.empty_mask: (Severity.warning, "masks that mark nothing"),
    Kind.box_partly: (Severity.warning, "boxes that reach out of the image"),
    Kind.keypoint_outside: (Severity.warning, "keypoints outside of the image"),
    Kind.unused_class: (Severity.warning, "classes that never occur in train"),
    Kind.unseen_class: (Severity.warning, "classes that val or test has and train has not"),
    Kind.imbalance: (Severity.note, "classes that are rare beside others"),
    Kind.shared: (Severity.note, "images that both val and test have"),
    Kind.no_test: (Severity.note, "there is no test split"),
}

ERRORS: tuple[tuple[tuple[type[BaseException], ...], Kind], ...] = (
    ((MissingError, FileNotFoundError), Kind.missing),
    ((UndecodableError, OSError), Kind.undecodable),
    ((TooLargeError,), Kind.too_large),
    ((LeadsOutError,), Kind.leads_out),
    ((SizeError,), Kind.size),
    ((UnknownClassError,), Kind.unknown_class),
    ((BoxError,), Kind.box),
)
"""Kinds of the errors of providers. Those of DataError itself, and of options, are of a wrong form."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or good to know."""

    kind: Kind
    message: str
    """What is wrong, and what would be right."""
    split: str = ""
    """Name of the split; empty of the whole data set."""
    index: int | None = None
    """Position of the sample in its split; None of a whole split."""
    file: str = ""
    """The file of the sample, where the data set tells."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.kind.severity


def kind_of(error: BaseException) -> Kind:
    """Return the kind of an error, or of the first among its causes that has one."""
    link: BaseException | None = error
    while link is not None:
        for types, kind in ERRORS:
            if isinstance(link, types):
                return kind
        link = link.__cause__
    return Kind.form if isinstance(error, DataError | ConfigError) else Kind.failed


def told(error: BaseException) -> tuple[Kind, str]:
    """Return kind and message of an error."""
    return kind_of(error), explain(error)
