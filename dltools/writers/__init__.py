"""Where the numbers and pictures of a run go."""

from dltools.writers.base import Progress, Record, RunInfo, Writer
from dltools.writers.hub import Hub

__all__ = ["Hub", "Progress", "Record", "RunInfo", "Writer"]
