"""Two ranks that train over one service end with the weights that torch's loader gives them."""

from __future__ import annotations

import albumentations as A
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.data.digits import Digits
from dltools.data.samplers import KeySampler, Shuffle
from dltools.loaders import NodeLoader

SEED, EPOCHS, BATCH, RANKS = 7, 2, 32, 2


def of_a_rank(rank, store, results, node):
    """Train over torch's loader and over the node's; keep the weights and losses of each, and what the last tells."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS)
    split = Digits(size=8).split("train")
    transforms = {"affine": A.Affine(rotate=(-15, 15), p=0.8), "noise": A.GaussNoise(p=0.5)}
    dataset = Augmentations(train=transforms).dataset(split, "train", SEED)
    sampler = KeySampler(Shuffle().plan(split, lambda: []), SEED, rank=rank, world_size=RANKS, even=True)
    options = {"batch_size": BATCH, "sampler": sampler, "collate_fn": collate, "drop_last": True}
    theirs = trained(DataLoader(dataset, **options))
    loader = NodeLoader(dataset, num_workers=1, node=node, **options)
    torch.save((theirs, trained(loader), loader.stats()), results / f"{rank}.pt")
    dist.destroy_process_group()


def trained(loader):
    torch.manual_seed(SEED)
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8 * 36, 10)
    model = DistributedDataParallel(nn.Sequential(*layers))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            loss = nn.functional.cross_entropy(model(batch["image"] / 255), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return model.module.state_dict(), losses


def test_two_ranks_reach_over_the_service_the_weights_of_torchs_loader_to_the_bit(tmp_path, node):
    mp.spawn(of_a_rank, (tmp_path / "store", tmp_path, node), nprocs=RANKS)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(RANKS)]
    expected, _ = ranks[0][0]
    for (_, their_losses), (weights, losses), stats in ranks:
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in weights)
        assert losses == their_losses and sum(losses[-5:]) < sum(losses[:5]) / 2
        assert stats["batches"] == len(losses) and stats["alone"] == 0
    assert ranks[0][1][1] != ranks[1][1][1], "each rank has images of its own"
