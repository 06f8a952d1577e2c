"""How samples become batches."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dltools.loaders.dataloader import TorchLoader
    from dltools.loaders.node.loader import NodeLoader
    from dltools.loaders.node.node import Node
    from dltools.loaders.tolerance import SKIPPED

__all__ = ["SKIPPED", "Node", "NodeLoader", "TorchLoader"]

_HOMES = {"Node": "node.node", "NodeLoader": "node.loader", "SKIPPED": "tolerance", "TorchLoader": "dataloader"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: the service of the node goes without torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
