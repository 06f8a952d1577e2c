"""Transforms that make one training sample of several."""
