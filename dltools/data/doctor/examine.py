"""From a data set to a report."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from dltools.data.base import SPLITS, Provider, Split
from dltools.data.doctor.examination import Examined, Watch, gone_through
from dltools.data.doctor.facts import About
from dltools.data.doctor.findings import Finding, Kind, kind_of, told
from dltools.data.doctor.report import Report, SplitReport
from dltools.data.doctor.whole import check_classes, check_copies, check_kinds
from dltools.data.faults import MissingError
from dltools.data.statistics import Target


def _nobody(split: str, samples: int) -> Callable[[], None]:
    """Watch nothing."""
    return lambda: None


def examine(
    provider: Provider, *, workers: int | None = None, limit: int | None = None, watch: Watch = _nobody
) -> Report:
    """Return what is in a data set and what is wrong with it; each sample is read once.

    A sample or a split that cannot be read is a finding, whatever its error, and the rest is gone through.

    Args:
        provider: the data set.
        workers: threads that read; None takes the cores, at least 2.
        limit: most samples of a split that are read, spread evenly over it. Then nothing is said of classes that are
            not seen, since they may be in the rest.
        watch: given the name of a split and the number of samples to read, returns what is called after each of them,
            by any thread.

    Example:
        >>> from dltools.data.digits import Digits
        >>> examine(Digits()).errors
        []
    """
    opened, findings = _opened(provider)
    try:
        about = About.of(provider)
    except Exception as error:
        own = _finding(error)
        known = any(finding.message == own.message for finding in findings)
        return Report(name=title_of(provider), about=None, findings=findings if known else [*findings, own])
    workers = workers or max(2, os.cpu_count() or 1)
    splits = {
        name: gone_through(name, split, about, workers=workers, limit=limit, watch=watch)
        for name, split in opened.items()
    }
    for name, split in splits.items():
        findings += [
            Finding(kind=kind, message=message, split=name, index=index, file=split.file(index))
            for index, (kind, message) in split.faults
        ]
    findings += [*check_copies(splits), *check_kinds(splits, about)]
    if all(split.whole for split in splits.values()):
        findings += check_classes(splits, about)
    return Report(
        name=title_of(provider),
        about=about,
        splits={name: _report_of(split) for name, split in splits.items()},
        findings=sorted(_once(findings), key=_order),
    )


def unreadable(name: str, error: Exception) -> Report:
    """Return the report on a data set that cannot even be made."""
    finding = Finding(kind=kind_of(error), message=str(error))  # without its notes: there is nothing else it is of
    return Report(name=name, about=None, findings=[finding])


def title_of(provider: Provider) -> str:
    """Return the kind of a data set, and where it is."""
    root = getattr(provider, "root", "")
    return f"{type(provider).__name__} in {root}" if root else type(provider).__name__


def _opened(provider: Provider) -> tuple[dict[str, Split], list[Finding]]:
    """Return the splits that can be opened, and what is wrong with the others; the same is told once."""
    opened: dict[str, Split] = {}
    findings: dict[str, Finding] = {}
    for name in SPLITS:
        try:
            opened[name] = provider.split(name)
            if not len(opened[name]):
                raise MissingError(f"the split {name} has no samples")
        except Exception as error:
            opened.pop(name, None)
            finding = _finding(error, name)
            if finding.kind is Kind.missing and name == "test" and "train" in opened:
                message = f"{finding.message} Training needs policy.test=false then."
                finding = dataclasses.replace(finding, kind=Kind.no_test, message=message)
            findings.setdefault(finding.message, finding)
    return opened, list(findings.values())


def _once(findings: list[Finding]) -> list[Finding]:
    """Return the findings, that of a sample which is in two splits, with the same file and place, once."""
    first: dict[Any, Finding] = {}
    for finding in findings:
        sample = (finding.kind, finding.index, finding.file, finding.message)
        first.setdefault(sample if finding.file else finding, finding)
    return list(first.values())


def _finding(error: Exception, split: str = "") -> Finding:
    kind, message = told(error)
    return Finding(kind=kind, message=message, split=split)


def _report_of(split: Examined) -> SplitReport:
    found = {name: statistic.result() for name, statistic in split.statistics.items()}
    counts = {target: found[target.value] for target in Target if target.value in found}
    return SplitReport(
        samples=len(split.split),
        examined=len(split.places),
        read=split.read,
        kinds=found["kinds"],
        sizes=found["sizes"] if found["sizes"].height.count else None,
        classes={target: totals for target, totals in counts.items() if totals.counts.any()},
        objects=found["objects"] if found["objects"].per_image.count else None,
        keypoints=found["keypoints"] if found["keypoints"].objects else None,
    )


def _order(finding: Finding) -> tuple[int, int, int]:
    """Return kind, split and index of a finding as numbers to sort by."""
    split = SPLITS.index(finding.split) if finding.split else -1
    return list(Kind).index(finding.kind), split, -1 if finding.index is None else finding.index
