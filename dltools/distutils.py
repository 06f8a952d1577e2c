"""Devices and ranks: the one place that talks to them."""

from __future__ import annotations

import torch

from dltools.cfgutils import ConfigError


def choose_device(name: str) -> torch.device:
    """Return the device of a name, where `auto` is the best one there is.

    Args:
        name: `auto`, or anything that `torch.device` takes, such as `cpu` or `cuda:1`.

    Raises:
        ConfigError: the name is no device, or this machine does not have it.
    """
    if name == "auto":
        best = torch.accelerator.current_accelerator(check_available=True)
        return best if best is not None else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(":")[0]
        raise ConfigError(f"device={name} cannot be used here ({reason}). Use device=auto or device=cpu.") from error
    return device
