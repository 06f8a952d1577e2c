"""An nn.Module that can be a dataclass."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn


class ConfigModule(nn.Module):
    """Base of components that are modules: the fields of the dataclass are its parameters.

    The state of the Module is made in `__new__`, before the generated `__init__` assigns the fields;
    layers and buffers are made in `__post_init__`.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> ConfigModule:
        """Make the module's own state first."""
        self = super().__new__(cls)
        nn.Module.__init__(self)
        return self

    def extra_repr(self) -> str:
        """Show the fields."""
        return ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))  # type: ignore[arg-type]
