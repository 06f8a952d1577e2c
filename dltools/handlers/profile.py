"""Where the time of a step goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from dltools.cfgutils import NonNegativeInt, PositiveInt, component
from dltools.handlers.base import Handler

logger = logging.getLogger(__name__)


@component("handler", "profile")
class Profile(Handler):
    """Record some steps with torch's profiler: `profile.json` for a trace viewer, `profile.txt` as a table."""

    rank: ClassVar[int] = 90

    wait: NonNegativeInt = 3
    """Steps left alone before recording."""
    active: PositiveInt = 5
    """Steps recorded."""

    def setup(self, device: torch.device, folder: Path) -> None:
        """Start the profiler."""
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self.folder = folder
        self.profiler = profile(
            activities=activities,
            schedule=schedule(wait=self.wait, warmup=1, active=self.active, repeat=1),
            on_trace_ready=self._write,
            acc_events=True,
        )
        self.profiler.start()

    def wrap_step(self, step: Callable[[], Any], optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """Tell the profiler after each step."""

        def counted_step() -> None:
            step()
            self.profiler.step()

        return counted_step

    def close(self) -> None:
        """Stop recording."""
        self.profiler.stop()

    def _write(self, profiler: profile) -> None:
        profiler.export_chrome_trace(str(self.folder / "profile.json"))
        table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=30)
        (self.folder / "profile.txt").write_text(table, encoding="utf-8")
        logger.info("Profile of %d steps: %s", self.active, self.folder / "profile.txt")
