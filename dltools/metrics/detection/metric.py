"""The base of metrics of detected objects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from dltools.cfgutils import FieldError, PositiveInt
from dltools.metrics.base import PerClassMetric
from dltools.metrics.detection.coco import Backend, choose
from dltools.metrics.detection.state import Detections, IouType


@dataclass(kw_only=True, eq=False, repr=False)
class DetectionMetric(PerClassMetric):
    """Base of metrics that match detections with true objects, image by image and class by class.

    Preds and target are lists with a dict for each image; see `Detections` for their keys and for what is raised.
    """

    kind: ClassVar[str] = "boxes"

    iou_type: IouType = IouType.boxes
    """Compare boxes, masks or keypoints."""
    max_detections: PositiveInt | None = None
    """How many detections of a class count in an image, the best first; None is COCO's 100, of keypoints 20."""
    num_keypoints: PositiveInt | None = None
    """Number of points of an object; None takes that of the first one."""
    sigmas: list[float] | None = None
    """Falloff of each keypoint, or one for all; None is COCO's for its 17 points, and 0.05 for any other number."""
    backend: Backend = Backend.auto
    """Library that compares the objects."""

    def __post_init__(self) -> None:
        """Check the sigmas, and that the library is there, and make the state."""
        if self.sigmas is not None:
            if self.iou_type is not IouType.keypoints:
                raise FieldError("sigmas", f"are for iou_type=keypoints, got iou_type={self.iou_type.value}")
            if not self.sigmas or not all(0 < sigma < math.inf for sigma in self.sigmas):
                raise FieldError("sigmas", f"must be finite values above 0, got {list(self.sigmas)}")
            if self.num_keypoints is not None and len(self.sigmas) not in (1, self.num_keypoints):
                rule = f"must be one value or num_keypoints = {self.num_keypoints}"
                raise FieldError("sigmas", f"{rule}, got {len(self.sigmas)}")
        choose(self.backend)
        super().__post_init__()

    def make_state(self) -> Detections:
        """Return the state that keeps what is compared."""
        joints = self.num_keypoints if self.iou_type is IouType.keypoints else None
        return Detections(iou_type=self.iou_type, num_classes=self.num_classes, num_keypoints=joints)

    @property
    def limit(self) -> int:
        """How many detections of a class count in an image."""
        return self.max_detections or (20 if self.iou_type is IouType.keypoints else 100)
