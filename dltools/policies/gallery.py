"""Pictures of an evaluation: which are due, of which samples, and where they go."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from torch import Tensor

from dltools.cfgutils.timeunit import TimeUnit
from dltools.visualizers import Picture, Visualizer
from dltools.writers import Hub

logger = logging.getLogger(__name__)


class Gallery:
    """The visualizers of a run. One that fails is told of and left out; the training goes on.

    Args:
        visualizers: by their names in the config.
        hub: takes the images.
        names: of the class ids that the pictures show.
    """

    def __init__(self, visualizers: dict[str, Visualizer], hub: Hub, names: list[str]) -> None:
        self.visualizers = dict(visualizers)
        self.hub = hub
        self.names = names
        self._drawn: dict[str, int] = {}
        self._due: list[str] = []
        self._pictures: list[Picture] = []

    def begin(self, step: int, steps_per_epoch: int, total_steps: int, final: bool) -> None:
        """Decide which visualizers draw the evaluation that begins.

        Args:
            step: steps of the optimizer so far.
            steps_per_epoch: of the training.
            total_steps: of the training.
            final: draw all, as nothing comes after.
        """
        self._pictures = []
        self._due = [
            name
            for name, visualizer in self.visualizers.items()
            if final
            or step - self._drawn.get(name, -total_steps)
            >= TimeUnit.parse(visualizer.every).steps(steps_per_epoch, total_steps)
        ]

    def wants_more(self) -> bool:
        """Tell whether a due visualizer draws more samples than were added."""
        return len(self._pictures) < max((self.visualizers[name].num_images for name in self._due), default=0)

    def add(
        self, images: Tensor, truths: list[dict[str, Tensor]], predictions: list[dict[str, Tensor]], indices: list[int]
    ) -> None:
        """Add the samples of a batch.

        Args:
            images: (B, C, H, W) uint8 or uint16.
            truths: one for each image.
            predictions: one for each image.
            indices: of the samples in their split.
        """
        for image, truth, prediction, index in zip(images, truths, predictions, indices, strict=True):
            self._pictures.append(
                Picture(
                    image=np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()),
                    truth=_arrays(truth),
                    prediction=_arrays(prediction),
                    names=self.names,
                    caption=f"#{index}",
                )
            )

    def draw(self, stage: str, step: int) -> None:
        """Draw what is due and hand it to the hub as `<stage>/<visualizer>`."""
        for name in self._due if self._pictures else []:
            self._drawn[name] = step
            try:
                image = self.visualizers[name].draw(self._pictures)
            except Exception as error:
                del self.visualizers[name]
                logger.warning("visualizer.%s is left out, training goes on: %s: %s", name, type(error).__name__, error)
                logger.debug("visualizer.%s failed", name, exc_info=True)
                continue
            self.hub.image(f"{stage}/{name}", step, image)


def _arrays(marks: dict[str, Any]) -> dict[str, Any]:
    return {name: value.cpu().numpy() if isinstance(value, Tensor) else value for name, value in marks.items()}
