"""Marks drawn onto an image: masks, boxes and keypoints. Each function returns a new image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.visualizers.base import Marks
from dltools.visualizers.palette import FAINT, Colour, colour_of, ink_on

Image = NDArray[np.uint8]

BACKGROUND = 0
IGNORED = 255
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 0.42
OUTLINE = np.ones((5, 5), np.uint8)
"""What is within two pixels of another class belongs to an outline."""
HALO = (20, 20, 20)
"""Drawn under lines and dots, so that they stand out from any background."""


def enlarge(image: NDArray[Any], scale: float) -> Image:
    """Return an image as RGB of 8 bits and scaled: pixels stay sharp where it grows twofold or more.

    Args:
        image: (H, W, 3) or (H, W, 4), whose fourth channel is left out, or else the first is shown; uint8 or uint16.
        scale: factor on its sides.
    """
    rgb = image[..., :3] if image.shape[2] in (3, 4) else np.repeat(image[..., :1], 3, axis=2)
    if rgb.dtype == np.uint16:
        rgb = (rgb >> 8).astype(np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR if scale < 2 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(rgb, _size(image, scale), interpolation=method), np.uint8)


def draw_marks(
    image: Image, marks: Marks, names: list[str], scale: float, skeleton: list[list[int]] | None = None
) -> Image:
    """Draw all marks that can be drawn; coordinates are multiplied by `scale` to fit the image."""
    if "mask" in marks:
        image = draw_mask(image, marks["mask"])
    if "boxes" in marks:
        image = draw_boxes(image, np.asarray(marks["boxes"], np.float64).reshape(-1, 4) * scale, marks, names)
    if "keypoints" in marks:
        image = draw_keypoints(image, np.asarray(marks["keypoints"], np.float64), scale, skeleton)
    return image


def draw_mask(image: Image, mask: NDArray[Any]) -> Image:
    """Blend the classes of a mask over an image and draw their outlines; ignored pixels are hatched.

    Args:
        image: (H, W, 3).
        mask: (h, w) class ids, or shares (classes, h, w), which are drawn as faint as they are; stretched to the image.
    """
    size = image.shape[1], image.shape[0]
    ignored = (mask if mask.ndim == 2 else mask[0]) == IGNORED
    blended = image.astype(np.float32)
    rows, columns = np.indices(image.shape[:2])
    blended[(_stretched(ignored, size) > 0) & ((rows + columns) % 8 < 3)] = FAINT
    for index in classes_of(mask):
        share = _stretched(mask == index if mask.ndim == 2 else np.where(ignored, 0, mask[index]), size)
        inside = (share > 0).astype(np.uint8)
        opacity = share * np.where(inside > cv2.erode(inside, OUTLINE), 1.0, 0.5)
        blended += opacity[..., None] * (np.array(colour_of(index)) - blended)
    return blended.astype(np.uint8)


def classes_of(mask: NDArray[Any]) -> list[int]:
    """Return the class ids that occur in a mask (H, W) or (classes, H, W), without background and ignored pixels."""
    found = np.unique(mask) if mask.ndim == 2 else np.flatnonzero((mask * (mask <= 1)).any((1, 2)))
    return [int(index) for index in found if index not in (BACKGROUND, IGNORED)]


def draw_boxes(image: Image, boxes: NDArray[np.float64], marks: Marks, names: list[str]) -> Image:
    """Draw boxes, the surest on top, and over them their tags of class and score.

    Args:
        image: (H, W, 3).
        boxes: (N, 4) xyxy in pixels of the image.
        marks: `labels` (N,) and `scores` (N,) where there are any.
        names: names of the classes.
    """
    image = image.copy()
    labels, scores = marks.get("labels"), marks.get("scores")
    order = range(len(boxes)) if scores is None else np.argsort(np.asarray(scores), kind="stable")
    corners = [tuple(round(value) for value in box) for box in boxes.tolist()]
    colours = [colour_of(0 if labels is None else int(labels[row])) for row in range(len(boxes))]
    for row in order:
        left, top, right, bottom = corners[row]
        cv2.rectangle(image, (left, top), (right, bottom), HALO, 4)
        cv2.rectangle(image, (left, top), (right, bottom), colours[row], 2)
    for row in order:
        words = [] if labels is None else [name_of(int(labels[row]), names)]
        words += [] if scores is None else [f"{float(scores[row]):.2f}"]
        if words:
            _draw_tag(image, " ".join(words), corners[row][0] - 1, corners[row][1], colours[row])
    return image


def draw_keypoints(
    image: Image, keypoints: NDArray[np.float64], scale: float, skeleton: list[list[int]] | None = None
) -> Image:
    """Draw each object's joints as dots, a colour a joint, and the lines between them, a colour an object.

    Args:
        image: (H, W, 3).
        keypoints: (N, K, 3) x, y, visibility, or (N, K, 2) all visible, or one object without N.
        scale: pixels of the image to a unit of the coordinates.
        skeleton: pairs of joints to join; None joins each with the next. A line ends where a joint is absent.
    """
    image = image.copy()
    radius = max(2, round(min(image.shape[:2]) / 80))
    count = keypoints.shape[-2]
    lines = [[joint, joint + 1] for joint in range(count - 1)] if skeleton is None else skeleton
    for row, joints in enumerate(keypoints.reshape(-1, *keypoints.shape[-2:])):
        shown = np.isfinite(joints[:, :2]).all(1) & (joints.shape[1] == 2 or joints[:, -1] > 0)
        points = [(round(x), round(y)) for x, y in np.nan_to_num(joints[:, :2] * scale).tolist()]
        for width, colour in ((4, HALO), (2, colour_of(row))):
            for start, end in lines:
                if shown[start] and shown[end]:
                    cv2.line(image, points[start], points[end], colour, width, cv2.LINE_AA)
        for joint in np.flatnonzero(shown):
            cv2.circle(image, points[joint], radius + 2, HALO, -1, cv2.LINE_AA)
            cv2.circle(image, points[joint], radius, colour_of(int(joint)), -1, cv2.LINE_AA)
    return image


def name_of(index: int, names: list[str]) -> str:
    """Return the name of a class, or its number."""
    return names[index] if 0 <= index < len(names) else str(index)


def label_of(label: Any, names: list[str]) -> str:
    """Return the name of a label; of shares (classes,) the three largest with their names, if of 1 % or more."""
    shares = np.asarray(label)
    if shares.ndim == 0:
        return name_of(int(shares), names)
    largest = [int(index) for index in np.argsort(-shares, kind="stable")[:3] if shares[index] >= 0.005]
    if len(largest) == 1:
        return name_of(largest[0], names)
    return " + ".join(f"{shares[index]:.0%} {name_of(index, names)}" for index in largest)


def write(image: Image, text: str, x: int, baseline: int, colour: Colour) -> int:
    """Write a line of text into the image and return where it ends."""
    cv2.putText(image, text, (x, baseline), FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
    return x + width_of(text)


def width_of(text: str) -> int:
    """Return how many pixels wide a line of text is."""
    return int(cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0])


def _draw_tag(image: Image, text: str, left: int, top: int, colour: Colour) -> None:
    """Write a text on a ground of its own above a corner, or below it where there is no room."""
    width, height = width_of(text) + 6, 15
    left = int(np.clip(left, 0, max(image.shape[1] - width, 0)))
    top = top - height if top >= height else max(top, 0)
    cv2.rectangle(image, (left, top), (left + width, top + height - 1), colour, -1)
    write(image, text, left + 3, top + 11, ink_on(colour))


def _stretched(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return values (h, w) at each pixel of a width and height."""
    return np.asarray(cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_NEAREST), np.float32)


def _size(image: NDArray[Any], scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
