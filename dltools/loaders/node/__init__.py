"""Batches made once a node, for all who ask for the same: `NodeLoader` asks, a service remembers, workers make."""
