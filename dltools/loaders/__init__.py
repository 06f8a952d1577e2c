"""How samples become batches."""

from dltools.loaders.dataloader import TorchLoader
from dltools.loaders.tolerance import SKIPPED, OnError

__all__ = ["SKIPPED", "OnError", "TorchLoader"]
