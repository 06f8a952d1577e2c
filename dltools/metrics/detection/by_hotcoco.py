"""The COCO evaluation by hotcoco."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hotcoco import COCO, COCOeval
from hotcoco.mask import iou

from dltools.metrics.detection.annotations import IOU_NAMES, annotations_of_found, annotations_of_true, with_sizes
from dltools.metrics.detection.masks import Runs
from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dltools.metrics.detection.coco import Rules
    from dltools.metrics.detection.objects import Objects


def evaluated(objects: Objects, rules: Rules) -> Mapping[str, Any]:
    """Return the curves `precision` and `recall`."""
    by_arrays = objects.iou_type is not IouType.keypoints
    truth, found = (_of_arrays if by_arrays else _of_dicts)(objects)
    evaluation = COCOeval(truth, found, IOU_NAMES[objects.iou_type])
    evaluation.params.iou_thrs = list(rules.ious)
    evaluation.params.area_rng = [list(limits) for limits in rules.areas]
    evaluation.params.area_rng_lbl = [str(place) for place in range(len(rules.areas))]
    evaluation.params.max_dets = list(rules.limits)
    if not by_arrays:
        evaluation.params.kpt_oks_sigmas = list(rules.sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval is not None
    return evaluation.eval


def mask_overlaps(found: Sequence[Runs], true: Sequence[Runs], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the overlap of each detected mask with each true one, (n, m)."""
    return np.asarray(iou([_encoded(mask) for mask in found], [_encoded(mask) for mask in true], crowd))


def _of_arrays(objects: Objects) -> tuple[COCO, COCO]:
    images, categories = _images_and_categories(objects)
    found, true = objects.found, objects.true
    masks = objects.iou_type is IouType.masks
    sides: list[Any] = [[_encoded(mask) for mask in side.shapes] if masks else None for side in (found, true)]
    boxes = [np.zeros((len(side.label), 4)) if masks else with_sizes(side.shapes) for side in (found, true)]
    truth = COCO.from_arrays(
        images,
        categories,
        true.image,
        true.label,
        boxes[1],
        area=true.area,
        iscrowd=true.crowd,
        segmentation=sides[1],
    )
    result = truth.load_res(np.column_stack((found.image, boxes[0], found.score, found.label)), segmentation=sides[0])
    if masks:
        result.update_anns(ids=np.arange(1, len(found.label) + 1), area=[mask.area for mask in found.shapes])
    return truth, result


def _of_dicts(objects: Objects) -> tuple[COCO, COCO]:
    images, categories = _images_and_categories(objects)
    annotations = annotations_of_true(objects.true, objects.iou_type)
    truth = COCO({"images": images, "categories": categories, "annotations": annotations})
    return truth, truth.load_res(annotations_of_found(objects.found, objects.iou_type))


def _images_and_categories(objects: Objects) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    categories = [{"id": label, "name": str(label)} for label in range(len(objects.classes))]
    return [{"id": index} for index in range(objects.images)], categories


def _encoded(mask: Runs) -> dict[str, Any]:
    return {"size": [mask.height, mask.width], "counts": mask.lengths}
