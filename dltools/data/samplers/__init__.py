"""Which samples an epoch has, and in which order."""

from dltools.data.samplers.base import Classes, Plan, SamplingRule
from dltools.data.samplers.class_balanced import ClassBalanced
from dltools.data.samplers.classes import classes_of
from dltools.data.samplers.drawn import Drawn
from dltools.data.samplers.key_sampler import KeySampler
from dltools.data.samplers.presence import Presence
from dltools.data.samplers.repeat_factor import RepeatFactor
from dltools.data.samplers.shuffle import InOrder, Sequential, Shuffle
from dltools.data.samplers.weighted import Weighted

__all__ = [
    "ClassBalanced",
    "Classes",
    "Drawn",
    "InOrder",
    "KeySampler",
    "Plan",
    "Presence",
    "RepeatFactor",
    "SamplingRule",
    "Sequential",
    "Shuffle",
    "Weighted",
    "classes_of",
]
