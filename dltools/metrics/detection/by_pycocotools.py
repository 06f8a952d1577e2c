"""The COCO evaluation by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import frPyObjects, iou

from dltools.metrics.detection.annotations import IOU_NAMES, annotations_of_found, annotations_of_true
from dltools.metrics.detection.masks import Runs
from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dltools.metrics.detection.coco import Rules
    from dltools.metrics.detection.objects import Objects


def evaluated(objects: Objects, rules: Rules) -> Mapping[str, Any]:
    """Return the curves `precision` and `recall`."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _data_set(annotations_of_true(objects.true, objects.iou_type), objects)
        found = _data_set(annotations_of_found(objects.found, objects.iou_type), objects)
        evaluation = COCOeval(truth, found, IOU_NAMES[objects.iou_type])
        evaluation.params.iouThrs = np.asarray(rules.ious)
        evaluation.params.areaRng = [list(limits) for limits in rules.areas]
        evaluation.params.areaRngLbl = [str(place) for place in range(len(rules.areas))]
        evaluation.params.maxDets = list(rules.limits)
        if objects.iou_type is IouType.keypoints:
            evaluation.params.kpt_oks_sigmas = np.asarray(rules.sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
    curves: Mapping[str, Any] = evaluation.eval
    return curves


def mask_overlaps(found: Sequence[Runs], true: Sequence[Runs], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the overlap of each detected mask with each true one, (n, m)."""
    return np.asarray(iou([_encoded(mask) for mask in found], [_encoded(mask) for mask in true], crowd.tolist()))


def _data_set(annotations: list[dict[str, Any]], objects: Objects) -> COCO:
    if objects.iou_type is IouType.masks:
        for annotation in annotations:
            annotation["segmentation"] = _encoded(annotation["segmentation"])
    data_set = COCO()
    data_set.dataset = {
        "images": [{"id": index, "height": 0, "width": 0} for index in range(objects.images)],
        "categories": [{"id": label} for label in range(len(objects.classes))],
        "annotations": annotations,
    }
    data_set.createIndex()
    return data_set


def _encoded(mask: Runs) -> Any:
    return frPyObjects({"size": [mask.height, mask.width], "counts": mask.lengths}, mask.height, mask.width)
