"""How samples become batches."""

from dltools.loaders.sampler import KeySampler
from dltools.loaders.dataloader import TorchLoader

__all__ = ["KeySampler", "TorchLoader"]
