"""From the points of an anchor-free detector to targets, and from its outputs to boxes.

The sizes: B images, P points, C classes, N objects of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

REACH = 8.0
"""A level of stride s takes objects whose longest side is at most `REACH * s`, if a finer level does not."""


@dataclass(frozen=True)
class Assignment:
    """What each point of a batch should answer.

    `classes` (B, P, C) is 1 for the class of the object that a point stands for, else 0; `positive` (B, P) tells
    which points stand for one; `boxes` (B, P, 4) is the object's box there, and zero elsewhere.
    """

    classes: Tensor
    positive: Tensor
    boxes: Tensor


def make_points(shapes: list[tuple[int, int]], strides: list[int], like: Tensor) -> Tensor:
    """Return x, y and stride of the cell centres of each level, (P, 3): level by level, row by row.

    Args:
        shapes: height and width of each level in cells.
        strides: side of a cell of each level in pixels.
        like: a tensor of the wanted device.
    """
    levels = []
    for (height, width), stride in zip(shapes, strides, strict=True):
        rows = (torch.arange(height, device=like.device) + 0.5) * stride
        columns = (torch.arange(width, device=like.device) + 0.5) * stride
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        levels.append(torch.stack([x, y, torch.full_like(x, stride)], dim=-1).flatten(0, 1))
    return torch.cat(levels)


def assign(
    points: Tensor, boxes: list[Tensor], labels: list[Tensor], num_classes: int, radius: float = 1.5
) -> Assignment:
    """Tell each point which object it stands for: centre sampling, the smallest object where several claim a point.

    A point is positive for an object of its level whose box it lies in, not further than `radius` strides from the
    box's centre along either axis. The point of that level nearest to the centre is positive in any case, so that no
    object is without one.

    Tian et al. 2019, arXiv:1904.01355, sections 3.2 and 3.3; centre sampling as in its journal version,
    arXiv:2006.09214. Levels are told apart by the longest side instead of the largest distance to a side.

    Args:
        points: (P, 3) x, y and stride in pixels.
        boxes: for each image (N, 4) as x1, y1, x2, y2 in pixels; N may be 0.
        labels: for each image (N,) class ids.
        num_classes: C.
        radius: reach around a centre, in strides.
    """
    strides = points[:, 2].unique()
    answers = [_assign_image(points, strides, *pair, num_classes, radius) for pair in zip(boxes, labels, strict=True)]
    classes, positive, targets = (torch.stack(parts) for parts in zip(*answers, strict=True))
    return Assignment(classes, positive, targets)


def expected_sides(distances: Tensor) -> Tensor:
    """Return the mean of distributions over 0..n strides: logits (*, n + 1) to (*).

    Li et al. 2020, arXiv:2006.04388, eq. 5.
    """
    share = distances.softmax(-1)
    # Not a matrix product, which autocast would round.
    return (share * torch.arange(share.shape[-1], device=share.device)).sum(-1)


def sides_from(points: Tensor, boxes: Tensor) -> Tensor:
    """Return how far the left, top, right and bottom sides of boxes are from their points, in strides, (Q, 4).

    Args:
        points: (Q, 3) x, y and stride in pixels.
        boxes: (Q, 4) as x1, y1, x2, y2 in pixels.
    """
    place, stride = points[:, :2], points[:, 2:]
    return torch.cat([place - boxes[:, :2], boxes[:, 2:] - place], dim=1) / stride


@torch.no_grad()
def decode(
    outputs: dict[str, Tensor], score_threshold: float = 0.05, max_detections: int = 100, nms_iou: float = 0.5
) -> list[dict[str, Tensor]]:
    """Turn the outputs of a detector into boxes: for each image, best first.

    Args:
        outputs: `logits` (B, P, C) and `boxes` (B, P, 4) in pixels.
        score_threshold: classes of a point that are less likely are left out.
        max_detections: largest number of boxes of an image.
        nms_iou: of two boxes of one class that overlap more, the less likely one is left out.

    Returns:
        For each image a dict of `boxes` (n, 4), `scores` (n,) and `labels` (n,) on the device of the outputs.
    """
    scores = outputs["logits"].float().sigmoid()
    return [
        _decode_image(*pair, score_threshold, max_detections, nms_iou)
        for pair in zip(outputs["boxes"].float(), scores, strict=True)
    ]


def _assign_image(
    points: Tensor, strides: Tensor, boxes: Tensor, labels: Tensor, num_classes: int, radius: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return classes (P, C), positive (P,) and boxes (P, 4) of one image."""
    classes = points.new_zeros(len(points), num_classes)
    if len(boxes) == 0:
        return classes, points.new_zeros(len(points), dtype=torch.bool), points.new_zeros(len(points), 4)
    place, stride = points[:, None, :2], points[:, None, 2]
    corners, sides = boxes[None], boxes[:, 2:] - boxes[:, :2]
    offset = (place - (corners[..., :2] + corners[..., 2:]) / 2).abs().amax(2)  # (P, N)
    within = ((place > corners[..., :2]) & (place < corners[..., 2:])).all(2)
    level = stride == _stride_of(sides.amax(1), strides)
    nearest = torch.where(level, offset, torch.inf).argmin(0)
    claims = level & within & (offset <= radius * stride)
    claims[nearest, torch.arange(len(boxes), device=boxes.device)] = True
    owner = torch.where(claims, sides.prod(1), torch.inf)
    positive, owner = claims.any(1), owner.argmin(1)
    classes.scatter_(1, labels[owner][:, None], positive[:, None].to(classes.dtype))
    return classes, positive, boxes[owner] * positive[:, None]


def _stride_of(longest: Tensor, strides: Tensor) -> Tensor:
    """Return, of the strides of the levels, that which takes objects of those longest sides (N,)."""
    return strides[torch.bucketize(longest, strides[:-1] * REACH)]


def _decode_image(
    boxes: Tensor, scores: Tensor, score_threshold: float, max_detections: int, nms_iou: float
) -> dict[str, Tensor]:
    """Return boxes, scores and labels of one image from boxes (P, 4) and scores (P, C)."""
    candidates = min(scores.numel(), 10 * max_detections)
    best, places = scores.flatten().topk(candidates)
    places = places[best > score_threshold]
    points, labels = places // scores.shape[1], places % scores.shape[1]
    boxes, scores = boxes[points], scores.flatten()[places]
    kept = torch.from_numpy(_nms(boxes.cpu().numpy(), labels.cpu().numpy(), nms_iou, max_detections)).to(boxes.device)
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}


def _nms(boxes: NDArray[np.float32], labels: NDArray[np.int64], iou: float, limit: int) -> NDArray[np.int64]:
    """Return which of the boxes (n, 4), best first, stay when each removes those of its class that overlap it more."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < limit:
        best, rest = left[0], left[1:]
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        common = np.clip(sides, 0, None).prod(axis=1)
        overlaps = common > iou * (areas[best] + areas[rest] - common)
        left = rest[~(overlaps & (labels[rest] == labels[best]))]
        kept.append(int(best))
    return np.array(kept, np.int64)
