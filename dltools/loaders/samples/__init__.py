"""Samples as they are before anything random is done to them, kept in files for all processes of a node."""

from dltools.loaders.samples.codec import UncacheableError
from dltools.loaders.samples.inventory import Cache, caches_in, clear_leftovers, discard
from dltools.loaders.samples.room import limit_of, used_in
from dltools.loaders.samples.store import SampleStore, samples_folder

__all__ = [
    "Cache",
    "SampleStore",
    "UncacheableError",
    "caches_in",
    "clear_leftovers",
    "discard",
    "limit_of",
    "samples_folder",
    "used_in",
]
