"""Random scenes of boxes, masks and poses, and what pycocotools makes of them."""

from __future__ import annotations

import contextlib
import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = 4
AREAS = ("small", "medium", "large")
KINDS = {"boxes": "bbox", "masks": "segm", "keypoints": "keypoints"}


@pytest.fixture(scope="session")
def coco():
    return SimpleNamespace(scene=scene, evaluation=evaluation, summary=summary, classes=CLASSES)


def scene(seed, kind="boxes", images=6, extras=False, joints=17):
    """Objects of all sizes in float32, some images and classes empty, scores with ties.

    With extras there are crowds, given areas and ids of images, which are then out of order.
    """
    rng = np.random.default_rng(seed)
    preds, target = [], []
    make = {"boxes": some_boxes, "masks": some_masks, "keypoints": some_poses}[kind]
    for number in rng.permutation(images).tolist():
        count = int(rng.integers(0, 6))
        labels = rng.integers(0, CLASSES - 1, count)
        copies = rng.integers(0, 4, count)
        wrong = int(rng.integers(0, 4))
        true, found = make(rng, count, copies, wrong, joints)
        true["labels"] = labels
        if extras:
            true["iscrowd"] = rng.integers(0, 2, count)
            true["area"] = rng.uniform(5, 200, count) ** 2
            true["image_id"] = 10 * number + 3
        found["scores"] = rng.random(len(found[kind])).round(1)
        found["labels"] = np.concatenate((np.repeat(labels, copies), rng.integers(0, CLASSES, wrong)))
        target.append(tensors(true))
        preds.append(tensors(found))
    return preds, target


def some_boxes(rng, count, copies, wrong, joints):
    low = rng.random((count, 2)) * 100
    boxes = np.hstack((low, low + np.exp(rng.uniform(1, 5.5, (count, 2)))))
    noisy = np.repeat(boxes, copies, axis=0) + rng.normal(0, 4, (copies.sum(), 4))
    found = np.vstack((noisy, rng.random((wrong, 4)) * 50))
    found[:, 2:] = np.maximum(found[:, :2], found[:, 2:])
    return {"boxes": boxes}, {"boxes": found}


def some_masks(rng, count, copies, wrong, joints):
    height, width = rng.integers(20, 120, 2)
    y, x = np.mgrid[:height, :width]
    middle, radius = rng.random((count + wrong, 2)) * (height, width), np.exp(rng.uniform(0.5, 4, count + wrong))
    kind = np.concatenate((np.repeat(np.arange(count), copies), count + np.arange(wrong)))

    def disks(which, noise):
        centre = middle[which] + rng.normal(0, 1, (len(which), 2)) * noise
        near = np.hypot(y - centre[:, 0, None, None], x - centre[:, 1, None, None]) <= radius[which][:, None, None]
        return near & (rng.random(near.shape) > 0.05 * noise)

    return {"masks": disks(np.arange(count), 0)}, {"masks": disks(kind, 1)}


def some_poses(rng, count, copies, wrong, joints):
    size = np.exp(rng.uniform(2.5, 5.5, count + wrong))
    low = rng.random((count + wrong, 2)) * 100
    points = low[:, None] + rng.random((count + wrong, joints, 2)) * size[:, None, None]
    visible = rng.integers(0, 3, (count, joints))
    visible[rng.random(count) < 0.25] = 0
    which = np.concatenate((np.repeat(np.arange(count), copies), count + np.arange(wrong)))
    noise = rng.normal(0, 1, (len(which), joints, 2)) * 0.06 * size[which][:, None, None]
    boxes = np.hstack((low, low + size[:, None]))[:count]
    true = {"keypoints": np.dstack((points[:count], visible)), "boxes": boxes, "area": 0.5 * size[:count] ** 2}
    return true, {"keypoints": np.dstack((points[which] + noise, np.ones((len(which), joints))))}


def tensors(image):
    def tensor(value):
        value = torch.as_tensor(value)
        return value.float() if value.is_floating_point() else value

    return {key: tensor(value) for key, value in image.items()}


def annotations(images, ids, kind):
    """The rows of a COCO file, made in float64; those of detections as a result file has them."""
    rows = []
    for number, image in zip(ids, images, strict=True):
        for i, label in enumerate(image["labels"].tolist()):
            row = {"id": len(rows) + 1, "image_id": number, "category_id": label, "iscrowd": 0}
            if kind == "masks":
                mask = np.asfortranarray(image["masks"][i].numpy().astype(np.uint8))
                row |= {"segmentation": rle.encode(mask), "area": int(mask.sum())}
            if kind == "keypoints":
                points = image["keypoints"][i].double().numpy()
                row |= {"keypoints": points.flatten().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
            if "boxes" in image:
                x1, y1, x2, y2 = image["boxes"][i].double().tolist()
                row |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            if "scores" in image:
                row = {
                    key: value for key, value in row.items() if key not in ("id", "area", "iscrowd", "num_keypoints")
                }
                row["score"] = float(image["scores"][i].double())
            row |= {"area": float(image["area"][i].double())} if "area" in image else {}
            row |= {"iscrowd": int(image["iscrowd"][i])} if "iscrowd" in image else {}
            rows.append(row)
    return rows


def evaluation(preds, target, kind="boxes", sigmas=None, ious=None, areas=None, limits=None):
    """What pycocotools evaluates, with its own loading of results."""
    ids = [int(image.get("image_id", index)) for index, image in enumerate(target)]
    data = {
        "info": {},
        "images": [{"id": number, "height": 1, "width": 1} for number in ids],
        "categories": [{"id": label} for label in range(CLASSES)],
        "annotations": annotations(target, ids, kind),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset, found.dataset = data, data | {"annotations": []}
        truth.createIndex()
        found.createIndex()
        rows = annotations(preds, ids, kind)
        found = truth.loadRes(rows) if rows else found
        judged = COCOeval(truth, found, KINDS[kind])
        if sigmas is not None:
            judged.params.kpt_oks_sigmas = np.asarray(sigmas)
        judged.params.iouThrs = judged.params.iouThrs if ious is None else np.asarray(ious)
        judged.params.areaRng = judged.params.areaRng if areas is None else areas
        judged.params.areaRngLbl = judged.params.areaRngLbl if areas is None else ["all"]
        judged.params.maxDets = judged.params.maxDets if limits is None else limits
        judged.evaluate()
        judged.accumulate()
        if ious is None and areas is None and limits is None:
            judged.summarize()
    return judged


def summary(preds, target, kind="boxes", sigmas=None, precision="map", recall="mar"):
    """Its twelve numbers, or ten of poses, and those of each class; -1 is NaN."""
    judged = evaluation(preds, target, kind, sigmas)
    poses = kind == "keypoints"
    areas = AREAS[1:] if poses else AREAS
    recalls = ("", "_50", "_75") if poses else ("_1", "_10", "_100")
    keys = [precision, *(f"{precision}_{key}" for key in (50, 75, *areas))]
    keys += [*(f"{recall}{key}" for key in recalls), *(f"{recall}_{key}" for key in areas)]
    values = dict(zip(keys, judged.stats, strict=True))
    for label in range(CLASSES):
        of_class = {precision: judged.eval["precision"][:, :, label, 0, -1]}
        of_class[recall if poses else f"{recall}_100"] = judged.eval["recall"][:, label, 0, -1]
        for key, curve in of_class.items():
            values[f"{key}/{label}"] = curve[curve > -1].mean() if (curve > -1).any() else -1
    return {key: math.nan if value == -1 else float(value) for key, value in values.items()}
