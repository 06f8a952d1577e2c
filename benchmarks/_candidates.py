"""Candidates of a benchmark of losses: ours by expression, and those of the peers, each imported when it is made."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils.index import index
from dltools.losses import LossSum

PEERS = {"MONAI": "monai", "smp": "segmentation_models_pytorch", "kornia": "kornia"}
Loss = Callable[..., Tensor]


class Candidate(NamedTuple):
    """A row: `make()` gives a callable of the tensors under `data`, which returns a scalar; with targets, or none."""

    loss: str
    library: str
    data: str
    make: Callable[[], Loss]
    note: str = ""
    time: float | None = None
    peak: float | None = None

    @property
    def label(self) -> str:
        return f"{self.library} {self.loss} {self.note}".strip()


def ours(
    loss: str, time: float | None = None, peak: float | None = None, *, data: str = "ids", **options: Any
) -> Candidate:
    """Make a row of a loss expression; time and peak are what it is to reach, options go to each of its terms."""

    def make() -> Loss:
        terms = {name: _component(name)(**options) for name in loss.split("+")}
        if len(terms) == 1:
            return terms[loss]
        losses = LossSum(terms)
        return lambda *pair: losses(dict.fromkeys(losses.kinds, pair))[0]

    note = "map given" if data == "maps" else ", ".join(name for name in options if name != "mode")
    return Candidate(loss, "dltools", data, make, note, time, peak)


def monai(loss: str, name: str, *, data: str = "ids", **options: Any) -> Candidate:
    """Make a row of a class of monai.losses, which takes targets of one channel."""

    def make() -> Loss:
        measure = getattr(importlib.import_module("monai.losses"), name)(**options)
        return lambda logits, target: measure(logits, target.view(len(target), 1, *target.shape[-2:]))

    return Candidate(loss, "MONAI", data, make, name)


def smp(loss: str, name: str, *, data: str = "ids", **options: Any) -> Candidate:
    """Make a row of a class of segmentation_models_pytorch.losses."""
    return Candidate(loss, "smp", data, lambda: getattr(_smp_losses(), name)(**options), name)


def kornia(loss: str, name: str, *, data: str = "ids", **options: Any) -> Candidate:
    """Make a row of a function of kornia.losses."""

    def make() -> Loss:
        return partial(getattr(importlib.import_module("kornia.losses"), name), **options)

    return Candidate(loss, "kornia", data, make, name)


def both(one: Candidate, other: Candidate) -> Candidate:
    """Make a row of the sum of two peers."""

    def make() -> Loss:
        first, second = one.make(), other.make()
        return lambda *pair: first(*pair) + second(*pair)

    return Candidate(f"{one.loss}+{other.loss}", one.library, one.data, make, f"{one.note} + {other.note}")


def compiled(row: Candidate, time: float | None = None) -> Candidate:
    """Make the row of a candidate under torch.compile; one of ours must compile without a break."""

    def make() -> Loss:
        torch._dynamo.config.recompile_limit = 64  # all sums of ours share one forward
        return torch.compile(row.make(), dynamic=False, fullgraph=row.library == "dltools")

    return row._replace(make=make, note=f"{row.note} compiled".strip(), time=time)


def is_there(library: str) -> bool:
    """Tell whether a library is installed."""
    return library not in PEERS or find_spec(PEERS[library]) is not None


def _component(name: str) -> type:
    entry = index().find("loss", name)
    if entry is None:
        raise LookupError(f"there is no loss {name}")
    module, _, attribute = entry.target.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _smp_losses() -> ModuleType:
    """Import the losses by themselves: they need torch alone, while the package around them needs torchvision."""
    if "smp_losses" not in sys.modules:
        init = Path(find_spec(PEERS["smp"]).origin).parent / "losses" / "__init__.py"
        spec = spec_from_file_location("smp_losses", init, submodule_search_locations=[str(init.parent)])
        sys.modules["smp_losses"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["smp_losses"])
    return sys.modules["smp_losses"]
