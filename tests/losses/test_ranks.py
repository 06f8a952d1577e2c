"""Two ranks with half a batch each against one with the whole."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from dltools.losses import (
    DiceLoss,
    F1Loss,
    FocalTverskyLoss,
    GDiceLoss,
    JaccardLoss,
    LossSum,
    SqDiceLoss,
    SqJaccardLoss,
    TverskyLoss,
)
from dltools.meter import Meter

VOID = 255
MAKERS = (DiceLoss, SqDiceLoss, GDiceLoss, JaccardLoss, SqJaccardLoss, TverskyLoss, FocalTverskyLoss, F1Loss)


def batch(void_half):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 6, 7, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, 4, (4, 6, 7), generator=generator)
    ids[1, :3] = VOID
    if void_half:
        ids[2:] = VOID
    return logits, ids


def losses(pool):
    options = {"ignore_index": VOID, "pool": pool}
    terms = {make.__name__: make(**options, absent="penalize") for make in MAKERS}
    return LossSum({**terms, "micro": DiceLoss(**options, average="micro"), "skip": JaccardLoss(**options)})


def value_and_gradient(loss, logits, ids):
    logits = logits.clone().requires_grad_()
    total, measures = loss({"classes": (logits, ids)})
    total.backward()
    meter = Meter()
    meter.add(measures)
    return total.detach(), logits.grad, meter.compute()


def of_a_rank(rank, store, void_half, results):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    logits, ids = batch(void_half)
    half = slice(2 * rank, 2 * rank + 2)
    torch.save(value_and_gradient(losses("global"), logits[half], ids[half]), f"{results}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("void_half", [False, True], ids=["all ranks have pixels", "one rank has none"])
def test_a_global_pool_gives_the_value_and_gradient_of_one_rank_with_the_whole_batch(tmp_path, void_half):
    mp.spawn(of_a_rank, (tmp_path / "store", void_half, tmp_path), nprocs=2)
    (value, first, means), (same, second, same_means) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    expected, gradient, expected_means = value_and_gradient(losses("batch"), *batch(void_half))
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    assert torch.equal(value, same)
    # Each rank has twice its share, of which DistributedDataParallel takes the mean.
    torch.testing.assert_close(torch.cat([first, second]) / 2, gradient, rtol=1e-6, atol=1e-12)
    assert means == pytest.approx(expected_means)
    assert means == same_means


def test_without_ranks_a_global_pool_is_that_of_the_batch():
    torch.testing.assert_close(
        losses("global")({"classes": batch(False)})[0], losses("batch")({"classes": batch(False)})[0]
    )
