"""How often ranks meet until every metric has its value."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from _class_metrics import SET, THEIRS
from _rows import component

from dltools.metrics import MetricSet

WATCHED = ("all_reduce", "all_gather", "all_gather_into_tensor", "all_gather_object", "barrier", "broadcast")
CLASSES = 5


def collectives() -> dict[str, Counter[str]]:
    """Return how often two ranks call each collective, by library."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_rank, args=(folder,), nprocs=2)
        return torch.load(Path(folder, "calls.pt"), weights_only=False)


def _rank(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    pair = torch.randint(0, CLASSES, (4, 8, 8)), torch.randint(0, CLASSES, (4, 8, 8))
    together = MetricSet({name: component(name)(num_classes=CLASSES) for name in SET.split("+")})
    together.update({"classes": pair})
    calls = {"dltools": _counted(together.compute)}
    try:
        import torchmetrics.classification as there
        from torchmetrics import MetricCollection

        collection = MetricCollection([getattr(there, f"Multiclass{name}")(CLASSES) for name in THEIRS])
        collection.update(*pair)
        calls["torchmetrics"] = _counted(collection.compute)
    except ImportError:
        pass
    if rank == 0:
        torch.save(calls, f"{folder}/calls.pt")
    dist.destroy_process_group()


def _counted(compute: Any) -> Counter[str]:
    calls: Counter[str] = Counter()
    originals = {name: getattr(dist, name) for name in WATCHED}

    def watching(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return originals[name](*args, **kwargs)

        return call

    for name in WATCHED:
        setattr(dist, name, watching(name))
    compute()
    for name, original in originals.items():
        setattr(dist, name, original)
    return calls
