"""Two ranks with half a batch each against one with the whole: losses whose places are counted over all ranks."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from dltools.losses import LovaszLoss, MCCLoss

VOID = 255
SIZE = (4, 3, 160, 120)
TERMS = {
    "softmax": LovaszLoss(ignore_index=VOID, pool="global"),
    "penalize": LovaszLoss(ignore_index=VOID, pool="global", absent="penalize", class_weight=[1.0, 2.0, 0.5]),
    "hinge": LovaszLoss(mode="multilabel", ignore_index=VOID, pool="global"),
    "mcc": MCCLoss(ignore_index=VOID, pool="global"),
}


def batch(name, void_half):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SIZE, generator=generator)
    target = torch.randint(0, 2, SIZE if name == "hinge" else (SIZE[0], *SIZE[2:]), generator=generator)
    target[1, ..., :30] = VOID
    if void_half:
        target[2:] = VOID
    return logits, target


def value_and_gradient(name, logits, target):
    logits = logits.clone().requires_grad_()
    value = TERMS[name](logits, target)
    value.backward()
    return value.detach(), logits.grad


def of_a_rank(rank, folder, void_half):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = slice(2 * rank, 2 * rank + 2)
    results = {}
    for name in TERMS:
        logits, target = batch(name, void_half)
        results[name] = value_and_gradient(name, logits[half], target[half])
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("void_half", [False, True], ids=["all ranks have pixels", "one rank has none"])
def test_a_global_pool_gives_the_value_and_gradient_of_one_rank_with_the_whole_batch(tmp_path, void_half):
    mp.spawn(of_a_rank, (tmp_path, void_half), nprocs=2)
    of_ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name in TERMS:
        expected, gradient = value_and_gradient(name, *batch(name, void_half))
        (value, first), (same, second) = (results[name] for results in of_ranks)
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
        assert torch.equal(value, same)
        # Each rank has twice its share, of which DistributedDataParallel takes the mean.
        torch.testing.assert_close(torch.cat([first, second]) / 2, gradient, rtol=1e-5, atol=1e-12)
