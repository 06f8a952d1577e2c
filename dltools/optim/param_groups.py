"""How the parameters of a model are divided into groups with settings of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from dltools.cfgutils import ConfigError, component

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""Module types whose parameters scale and shift what was normalised: batch, instance, layer, group and RMS norms."""


@dataclass(kw_only=True, eq=False, repr=False)
class ParamGroups(ABC):
    """Divides the parameters of a model. A subclass gives the settings of one parameter."""

    def __call__(self, model: nn.Module) -> list[dict[str, Any]]:
        """Return param group dicts for a torch optimizer.

        Every parameter that requires a gradient is in exactly one group; frozen ones are in none and tied ones count
        once, under their first name. A group holds `name`, `params` as (name, parameter) pairs, which torch keeps as
        `param_names`, and its settings. Groups stand in the order of their first parameter.

        Raises:
            ConfigError: no parameter of the model requires a gradient.
        """
        groups: dict[str, dict[str, Any]] = {}
        for module, name, parameter in _parameters(model):
            group, settings = self.settings(module, name, parameter)
            groups.setdefault(group, {"name": group, **settings, "params": []})["params"].append((name, parameter))
        if not groups:
            raise ConfigError(f"{type(model).__name__} has no parameter that requires a gradient: nothing to optimize.")
        return list(groups.values())

    @abstractmethod
    def settings(self, module: nn.Module, name: str, parameter: nn.Parameter) -> tuple[str, dict[str, Any]]:
        """Return the name of a parameter's group and the optimizer settings of that group.

        Args:
            module: the module that owns the parameter.
            name: its name in the model, such as `stem.0.bias`.
            parameter: the parameter itself.
        """


@component("param_groups", "one_group")
class OneGroup(ParamGroups):
    """All parameters alike."""

    def settings(self, module: nn.Module, name: str, parameter: nn.Parameter) -> tuple[str, dict[str, Any]]:
        """Put every parameter into `all`."""
        return "all", {}


@component("param_groups", "no_decay_bias_norm")
class NoDecayBiasNorm(ParamGroups):
    """No weight decay on biases, on norms, and on any parameter of one dimension.

    Norms are known by their type, so that a layer norm over several dimensions counts too. Group `decay` takes the
    optimizer's weight decay, group `no_decay` none. Bag of Tricks, He et al. 2019, section 3.1. Embeddings decay.
    """

    def settings(self, module: nn.Module, name: str, parameter: nn.Parameter) -> tuple[str, dict[str, Any]]:
        """Decide by the owner's type, then the parameter's name and dimensions."""
        if isinstance(module, NORMS) or name.endswith("bias") or parameter.ndim <= 1:
            return "no_decay", {"weight_decay": 0.0}
        return "decay", {}


def _parameters(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """Yield (owner, name, parameter) of each distinct parameter that requires a gradient."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(prefix=prefix, recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield module, name, parameter
