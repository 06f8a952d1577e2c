"""What the doctor has found: plain data, printed by `page.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dltools.data.doctor.facts import About
from dltools.data.doctor.findings import Finding, Kind, Severity
from dltools.data.statistics import (
    ClassTotals,
    ImageSizes,
    KeypointTotals,
    KindTotals,
    ObjectSizes,
    Target,
    plain,
)


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """What is in a split."""

    samples: int
    """How many samples it has."""
    examined: int
    """How many of them were looked at."""
    read: int
    """How many of those could be read."""
    kinds: list[KindTotals]
    """Images by channels and type with mean and spread, the most frequent first."""
    sizes: ImageSizes | None
    """Of the images; None without any."""
    classes: dict[Target, ClassTotals]
    """How often each class is there, of the targets that the samples have."""
    objects: ObjectSizes | None
    """Boxes; None without any."""
    keypoints: KeypointTotals | None
    """Of the objects; None without any."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is in a data set, and what is wrong with it.

    Example:
        >>> from dltools.data.digits import Digits
        >>> from dltools.data.doctor import examine
        >>> report = examine(Digits())
        >>> report.errors, report.splits["train"].samples
        ([], 1258)
    """

    name: str
    """What the data set is."""
    about: About | None
    """What it says of itself; None where it cannot."""
    splits: dict[str, SplitReport] = field(default_factory=dict)
    """By name, those that can be opened."""
    findings: list[Finding] = field(default_factory=list)
    """What is wrong, by kind, split and index."""

    @property
    def errors(self) -> list[Finding]:
        """The findings that are errors."""
        return self.of(Severity.error)

    @property
    def warnings(self) -> list[Finding]:
        """The findings that are warnings."""
        return self.of(Severity.warning)

    @property
    def notes(self) -> list[Finding]:
        """The findings that are good to know."""
        return self.of(Severity.note)

    def of(self, severity: Severity) -> list[Finding]:
        """Return the findings of a severity."""
        return [finding for finding in self.findings if finding.severity is severity]

    def by_kind(self) -> dict[Kind, list[Finding]]:
        """Return the findings of each kind that has some, errors first."""
        return {
            kind: found for kind in Kind if (found := [finding for finding in self.findings if finding.kind is kind])
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dicts, lists, numbers and strings for JSON; numbers that there are none of are None."""
        return {
            "name": self.name,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "classes": list(self.about.class_names) if self.about else [],
            "splits": {name: self._split(split) for name, split in self.splits.items()},
            "findings": [{"severity": finding.severity.value, **_finite(plain(finding))} for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return the report as text."""
        from dltools.data.doctor.page import as_text

        return as_text(self)

    def _split(self, split: SplitReport) -> dict[str, Any]:
        assert self.about is not None
        classes = {}
        for target, totals in split.classes.items():
            total = totals.counts.sum()
            classes[target.value] = {
                name: {"count": int(count), "share": count / total if total else None, "images": int(images)}
                for name, count, images in zip(self.about.names(target), totals.counts, totals.images, strict=True)
            }
        whole = {**vars(split), "classes": classes}
        if split.keypoints is not None:
            present = dict(zip(self.about.keypoint_names, split.keypoints.present, strict=True))
            whole["keypoints"] = {"objects": split.keypoints.objects, "present": present}
        found: dict[str, Any] = _finite(plain(whole))
        return found


def _finite(value: Any) -> Any:
    """Return plain data with None for numbers that are not finite, which JSON does not know, and text for keys."""
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
