"""What a data set is like, counted in one pass: accumulators that merge, and what follows from them."""

from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.checks import DuplicateGroups, Duplicates, NonFinite, NonFiniteCounts
from dltools.data.statistics.classes import ClassCounts, ClassTotals, CoOccurrence, Target
from dltools.data.statistics.facts import Facts
from dltools.data.statistics.kmeans import anchors
from dltools.data.statistics.one_pass import Collected, OnError, collect, countable
from dltools.data.statistics.pixels import Histogram, Moments, PixelMoments, PixelQuantiles
from dltools.data.statistics.shapes import ImageSizes, Objects, ObjectSizes, Sizes
from dltools.data.statistics.store import load, plain, request_hash, save
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
    "Moments",
    "NonFinite",
    "NonFiniteCounts",
    "ObjectSizes",
    "Objects",
    "OnError",
    "PixelMoments",
    "PixelQuantiles",
    "Scheme",
    "Sizes",
    "Summary",
    "Target",
    "anchors",
    "class_weights",
    "collect",
    "countable",
    "load",
    "plain",
    "pos_weight",
    "prior_bias",
    "request_hash",
    "sample_weights",
    "save",
]
