"""Tells Hydra of the `dltools://` config source."""

from dltools.cfgutils.source import ComponentSource

__all__ = ["ComponentSource"]
