"""Pictures of what a model does."""

from dltools.visualizers.base import Picture, Visualizer

__all__ = ["Picture", "Visualizer"]
