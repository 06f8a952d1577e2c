"""The base of every metric: states that add up, and a value made of them when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from dltools.module import ConfigModule


@dataclass(kw_only=True, eq=False, repr=False)
class Metric(ConfigModule):
    """Base of metrics, with the method names of torchmetrics, so that one of its metrics can stand beside.

    The state is a set of buffers that are sums: `update` adds to them without waiting for the device, `reset` sets
    them to 0, and the states of two ranks are merged by adding them. Values that are undefined (0 / 0, such as a
    class that never occurs) are NaN and are left out of means; where nothing is defined the mean is NaN.
    """

    name: ClassVar[str]
    """Key of the metric's own value where `compute` returns a dict, in which keys that go on from it share its name."""
    kind: ClassVar[str] = "classes"
    """Which of a policy's outputs the metric reads: `classes`, `boxes` or `keypoints`."""
    higher_is_better: ClassVar[bool] = True
    """Whether more is better, which a checkpoint, a stopper and a plateau schedule need to know."""

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch.

        Raises:
            ValueError: shapes or dtypes are not what this metric takes.
            DataError: a value must not occur.
        """
        raise NotImplementedError

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the value of everything added since the last reset: a scalar, one value a class (C,), or a dict."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget everything that was added."""
        for buffer in self.buffers():
            buffer.zero_()
