"""How samples become batches."""

from dltools.loaders.dataloader import TorchLoader
from dltools.loaders.sampler import KeySampler

__all__ = ["KeySampler", "TorchLoader"]
