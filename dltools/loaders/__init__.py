"""How samples become batches."""

from dltools.loaders.dataloader import TorchLoader
from dltools.loaders.tolerance import SKIPPED

__all__ = ["SKIPPED", "TorchLoader"]
