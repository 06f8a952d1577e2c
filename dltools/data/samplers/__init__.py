"""Which samples an epoch has, and in which order."""

from dltools.data.samplers.base import Classes, Plan, SamplingRule
from dltools.data.samplers.key_sampler import KeySampler
from dltools.data.samplers.shuffle import InOrder, Shuffle

__all__ = ["Classes", "InOrder", "KeySampler", "Plan", "SamplingRule", "Shuffle"]
