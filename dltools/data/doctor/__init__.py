"""What is in a data set and what is wrong with it: each file is read once, and nothing ends the report."""

from dltools.data.doctor.examine import examine
from dltools.data.doctor.findings import Finding, Kind, Severity
from dltools.data.doctor.report import Report, SplitReport

__all__ = ["Finding", "Kind", "Report", "Severity", "SplitReport", "examine"]
