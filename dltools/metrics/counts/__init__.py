"""What is counted of classes: integer states that add up exactly, which all metrics of class ids and labels read."""

from dltools.metrics.counts.base import Counts, Totals
from dltools.metrics.counts.confusion import ConfusionMatrix
from dltools.metrics.counts.images import ImageCounts
from dltools.metrics.counts.labels import ImageLabelCounts, LabelCounts

__all__ = ["ConfusionMatrix", "Counts", "ImageCounts", "ImageLabelCounts", "LabelCounts", "Totals"]
