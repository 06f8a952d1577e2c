"""What a data set is like, counted in one pass: accumulators that merge, and what follows from them."""

from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.checks import DuplicateGroups, Duplicates, NonFinite, NonFiniteCounts
from dltools.data.statistics.classes import ClassCounts, ClassTotals, CoOccurrence, Target
from dltools.data.statistics.facts import Facts
from dltools.data.statistics.keypoints import KeypointCounts, KeypointTotals
from dltools.data.statistics.kinds import Kinds, KindTotals
from dltools.data.statistics.kmeans import anchors
from dltools.data.statistics.one_pass import Collected, collect, countable
from dltools.data.statistics.pixels import Histogram, Moments, PixelMoments, PixelQuantiles
from dltools.data.statistics.shapes import ImageSizes, Objects, ObjectSizes, Sizes
from dltools.data.statistics.store import StatisticsFile, plain
from dltools.data.statistics.summary import Summary
from dltools.data.statistics.weights import Scheme, class_weights, pos_weight, prior_bias, sample_weights

__all__ = [
    "Accumulator",
    "ClassCounts",
    "ClassTotals",
    "CoOccurrence",
    "Collected",
    "DuplicateGroups",
    "Duplicates",
    "Facts",
    "Histogram",
    "ImageSizes",
    "KeypointCounts",
    "KeypointTotals",
    "KindTotals",
    "Kinds",
    "Moments",
    "NonFinite",
    "NonFiniteCounts",
    "ObjectSizes",
    "Objects",
    "PixelMoments",
    "PixelQuantiles",
    "Scheme",
    "Sizes",
    "StatisticsFile",
    "Summary",
    "Target",
    "anchors",
    "class_weights",
    "collect",
    "countable",
    "plain",
    "pos_weight",
    "prior_bias",
    "sample_weights",
]
