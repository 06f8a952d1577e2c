"""Whole training scripts, one for each task."""
