"""The palette: steady, and distinct to every eye."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dltools.visualizers.palette import OKABE_ITO, colour_of, ink_on

# Severity 1.0 of Machado, Oliveira and Fernandes 2009, table 1; they act on linear RGB.
VISION = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "full": np.eye(3).tolist(),
}


@pytest.mark.parametrize("vision", VISION)
def test_the_seven_first_colours_are_distinct_to_every_eye(vision: str) -> None:
    linear = (np.array(OKABE_ITO) / 255) ** 2.2
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[~np.eye(len(lab), dtype=bool)].min() > 11


def test_twenty_one_ids_have_colours_of_their_own_and_then_they_repeat() -> None:
    colours = [colour_of(index) for index in range(21)]
    assert len(set(colours)) == 21
    assert colours[:7] == list(OKABE_ITO)
    assert colour_of(21) == colours[0]


def test_ink_is_black_on_light_and_white_on_dark() -> None:
    assert ink_on((240, 228, 66)) == (0, 0, 0)
    assert ink_on((0, 60, 100)) == (255, 255, 255)
