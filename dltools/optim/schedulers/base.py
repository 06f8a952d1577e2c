"""What every learning rate schedule shares: a warm-up, and stepping by optimizer steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from dltools.cfgutils import FieldError, Probability
from dltools.cfgutils.timeunit import TimeUnit


@dataclass(kw_only=True, eq=False, repr=False)
class Schedule(ABC):
    """A factor on each group's learning rate. A subclass gives the curve after the warm-up.

    With t the steps taken so far, w those of the warm-up and T those of the whole training, the factor is

        start + (1 - start) * t / w     for t < w, and
        curve((t - w) / (T - w))        from then on (linear warm-up: Goyal et al. 2017, section 2.2).

    It depends on t alone, so a training that resumes at step t goes on exactly.
    """

    warmup: str = "5%"
    """Length of the linear warm-up, such as 2ep, 500st or 5%; 0st for none."""
    warmup_start: Probability = 0.01
    """Factor at the first step of the warm-up."""

    def __post_init__(self) -> None:
        if TimeUnit.parse(self.warmup, "warmup").is_clock:
            raise FieldError("warmup", f"must be counted in ep, st or %, got {self.warmup!r}")

    def attach(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> LRScheduler:
        """Return torch's scheduler for this curve; it sets the first step's rate at once.

        Call its `step()` once after each optimizer step. Beyond `total_steps` the last value stays.

        Args:
            optimizer: the rates of its groups are the peaks.
            total_steps: optimizer steps of the whole training.
            steps_per_epoch: optimizer steps of one epoch.

        Raises:
            FieldError: the warm-up takes the whole training or more.
        """
        warmup_steps = TimeUnit.parse(self.warmup).steps(steps_per_epoch, total_steps)
        if warmup_steps >= max(total_steps, 1):
            raise FieldError(
                "warmup",
                f"must be shorter than the training of {total_steps} steps, got {self.warmup!r} ({warmup_steps})",
            )
        return LambdaLR(optimizer, lambda step: self.factor(step, warmup_steps, total_steps))

    def factor(self, step: int, warmup_steps: int, total_steps: int) -> float:
        """Return the factor on the learning rate after `step` optimizer steps."""
        if step < warmup_steps:
            return self.warmup_start + (1 - self.warmup_start) * step / warmup_steps
        return self.curve(min((step - warmup_steps) / (total_steps - warmup_steps), 1.0))

    @abstractmethod
    def curve(self, progress: float) -> float:
        """Return the factor at a point of the training after the warm-up.

        Args:
            progress: from 0 at the end of the warm-up to 1 at the end of the training.
        """
