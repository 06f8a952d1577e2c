"""Resolvers for interpolations. What is random or reads the clock belongs under `hydra.*` only."""

from __future__ import annotations

import secrets

from omegaconf import OmegaConf


def register_resolvers() -> None:
    """Register `${uid:}`: four random hexadecimal digits, the same wherever it stands in one config."""
    OmegaConf.register_new_resolver("uid", lambda: secrets.token_hex(2), use_cache=True, replace=True)
