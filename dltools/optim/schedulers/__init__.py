"""Learning rate schedules: the learning rate as a function of the optimizer step."""

from dltools.optim.schedulers.base import Schedule

__all__ = ["Schedule"]
