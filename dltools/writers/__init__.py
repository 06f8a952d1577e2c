"""Where the numbers and pictures of a run go."""

from dltools.writers.base import Progress, Record, RunInfo, Table, Writer
from dltools.writers.hub import Hub

__all__ = ["Hub", "Progress", "Record", "RunInfo", "Table", "Writer"]
