"""What metrics of keypoints read: how far each joint was missed, in scales of its object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import DataError, FieldError, PositiveInt
from dltools.distutils import widest_float
from dltools.metrics.base import Metric
from dltools.metrics.ratio import mean_of_defined
from dltools.metrics.state import Reading, Rows, State


@dataclass(kw_only=True, eq=False, repr=False)
class JointDistances(State):
    """Distances from predicted to true joints, each divided by the scale of its object.

    A joint is absent where its visibility is not positive or its place is NaN. A prediction that is NaN is infinitely
    far. An object whose scale is NaN has none and is left out, as is one without both joints `between` which the scale
    lies, or with both in one place. A scale of 0, below, or of infinity is a DataError if its object has joints: at
    once on a CPU, when the distances are read elsewhere.
    """

    scale: str = "scale"
    """Key of the target with the scale of each object."""
    between: tuple[int, int] | None = None
    """Two joints whose distance is the scale instead."""
    num_keypoints: int | None = None
    """Number of joints K; None takes any."""

    def __post_init__(self) -> None:
        """Make the rows of joint and distance."""
        self.rows = Rows(2)
        self.add_sum("strays")

    def update(self, reading: Reading) -> None:
        """Add the joints of a batch."""
        preds, target = reading.preds, reading.target
        keypoints = target["keypoints"]
        size = (len(preds), self.num_keypoints or preds.shape[1])
        if preds.shape not in ((*size, 2), (*size, 3)) or keypoints.shape != (*size, 3):
            joints = "K" if self.num_keypoints is None else str(self.num_keypoints)
            rule = f"preds must be (B, {joints}, 2) or (B, {joints}, 3), and keypoints (B, {joints}, 3)"
            raise ValueError(f"{rule}; got preds {tuple(preds.shape)} and keypoints {tuple(keypoints.shape)}")
        dtype = widest_float(preds.device)
        true = keypoints[..., :2].to(dtype)
        present = (keypoints[..., 2] > 0) & ~true.isnan().any(-1)
        scale = self._scale(target, true, present)
        stray = ((scale <= 0) | scale.isinf()) & present.any(1)
        if stray.device.type == "cpu" and stray.any():
            raise _stray_error(f"{scale[stray][0].item():g}")
        self.strays += stray.sum()
        distance = (preds[..., :2].to(dtype) - true).norm(dim=-1)
        distance = distance.masked_fill(distance.isnan(), math.inf) / scale.unsqueeze(1)
        distance = distance.masked_fill(~present, math.nan)
        joint = torch.arange(size[1], device=distance.device).expand(size)
        self.rows.add(torch.stack([joint.to(dtype), distance], 2).flatten(0, 1))

    def read(self) -> tuple[Tensor, Tensor]:
        """Return the joints (n,), and their distances (n,), NaN where a joint is absent or has no scale.

        Raises:
            DataError: there were scales which none can be.
        """
        if self.strays > 0:
            raise _stray_error(f"{self.strays.item()} others")
        joint, distance = self.rows.read().unbind(1)
        return joint, distance

    def _scale(self, target: Mapping[str, Tensor], true: Tensor, present: Tensor) -> Tensor:
        """Return the scales (B,), NaN where there is none."""
        if self.between is not None:
            one, other = self.between
            distance = (true[:, one] - true[:, other]).norm(dim=-1)
            return distance.masked_fill(~(present[:, one] & present[:, other]) | (distance == 0), math.nan)
        if self.scale not in target:
            raise ValueError(
                f"the target has no {self.scale!r} (B,), only {', '.join(target)}; "
                "set scale to another key, or between to two keypoints"
            )
        scale = target[self.scale]
        if scale.shape != true.shape[:1]:
            raise ValueError(f"{self.scale} must be (B,) = ({len(true)},), got {tuple(scale.shape)}")
        return scale.to(true.dtype)


@dataclass(kw_only=True, eq=False, repr=False)
class KeypointMetric(Metric):
    """Base of metrics that are a mean over joints: a subclass is its score of a distance in scales.

    Preds (B, K, 2) x, y in pixels, or (B, K, 3), whose third column is not read. Target a dict of `keypoints`
    (B, K, 3) x, y, visibility, and the scales (B,) in pixels under the key `scale`. The mean runs over all present
    joints of the data set; it is NaN where there are none. What is absent and which scales are refused:
    `JointDistances`.

    Raises ValueError for other shapes, or without the key; DataError for a scale that none can be.
    """

    kind: ClassVar[str] = "keypoints"

    scale: str = "scale"
    """Key of the target with the scale of each object in pixels."""
    between: list[str] | None = None
    """Two keypoints whose true distance is the scale instead, such as both eyes; by name, or by index."""
    num_keypoints: PositiveInt | None = None
    """Number of keypoints; None takes it from the data."""
    keypoint_names: list[str] | None = None
    """Names of the keypoints; None takes those of the data, or the indices."""
    per_class: bool = False
    """Return the value of each keypoint too, as `<name>/<keypoint>`."""

    def __post_init__(self) -> None:
        """Check that the keypoints are known and make the state."""
        if self.keypoint_names is not None and len(self.keypoint_names) != self.num_keypoints:
            expected = f"num_keypoints = {self.num_keypoints}"
            raise FieldError("keypoint_names", f"must be {expected}, got {len(self.keypoint_names)}")
        if self.per_class and self.num_keypoints is None:
            raise FieldError("num_keypoints", "must be given where no data tells it, for per_class")
        if self.between is not None and self.scale != type(self).scale:
            raise FieldError("scale", f"must not be set beside between, got {self.scale!r}")
        super().__post_init__()

    def score(self, distances: Tensor) -> Tensor:
        """Return what each joint counts whose distance is given, in scales (n,); that of NaN must be NaN."""
        raise NotImplementedError

    def make_state(self) -> JointDistances:
        """Return the state of the distances."""
        return JointDistances(scale=self.scale, between=self._joints(), num_keypoints=self.num_keypoints)

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the mean over all joints; with `per_class` that of each keypoint too."""
        joints, distances = self.state.read()
        scores = self.score(distances)
        overall = mean_of_defined(scores)
        if not self.per_class or self.num_keypoints is None:
            return overall
        names = self.keypoint_names or range(self.num_keypoints)
        each = {f"{self.name}/{name}": mean_of_defined(scores[joints == joint]) for joint, name in enumerate(names)}
        return {self.name: overall} | each

    def _joints(self) -> tuple[int, int] | None:
        """Return the indices of the two joints whose distance is the scale."""
        if self.between is None:
            return None
        names, count = self.keypoint_names or [], self.num_keypoints or math.inf
        found = [names.index(word) if word in names else _index(word) for word in map(str, self.between)]
        if len(found) != 2 or found[0] == found[1] or not all(0 <= joint < count for joint in found):
            known = ", ".join(names) or (f"0..{count - 1}" if self.num_keypoints else "indices")
            raise FieldError("between", f"must be two keypoints of {known}, got {', '.join(map(str, self.between))}")
        return found[0], found[1]


def _index(word: str) -> int:
    """Return the index that a word writes out, -1 if it is another word."""
    return int(word) if word.isdecimal() else -1


def _stray_error(found: str) -> DataError:
    return DataError(f"the scale of an object with keypoints must be positive and finite, or NaN for none, got {found}")
