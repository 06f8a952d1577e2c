"""Our metrics and those of torchmetrics beside each other in one set: alike over batches, restarts and ranks."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torchmetrics import classification, image, regression

from dltools.metrics import Accuracy, F1Score, MeanIoU, MetricSet
from dltools.metrics.classification import AUROC, AveragePrecision
from dltools.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    PeakSignalNoiseRatio,
    RootMeanSquaredError,
)

C, VOID = 4, 255


def pairs():
    """Each of our metrics with the one of torchmetrics that has the same value."""
    ids = {"num_classes": C, "ignore_index": VOID}
    return {
        "accuracy": (Accuracy(**ids), classification.MulticlassAccuracy(**ids, average="micro")),
        "recall": (Accuracy(**ids, average="macro"), classification.MulticlassAccuracy(**ids)),
        "f1": (F1Score(**ids), classification.MulticlassF1Score(**ids, average="macro")),
        "iou": (MeanIoU(**ids), classification.MulticlassJaccardIndex(**ids)),
        "auroc": (AUROC(**ids), classification.MulticlassAUROC(**ids)),
        "average_precision": (AveragePrecision(**ids), classification.MulticlassAveragePrecision(**ids)),
        "mae": (MeanAbsoluteError(), regression.MeanAbsoluteError()),
        "mse": (MeanSquaredError(), regression.MeanSquaredError()),
        "rmse": (RootMeanSquaredError(), regression.MeanSquaredError(squared=False)),
        "psnr": (
            PeakSignalNoiseRatio(),
            image.PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean"),
        ),
        "psnr_of_all": (PeakSignalNoiseRatio(per_image=False), image.PeakSignalNoiseRatio(data_range=1.0)),
    }


def batch(part):
    generator = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(9, C, 6, 6, generator=generator), torch.randint(0, C, (9, 6, 6), generator=generator)
    ids[3, :4] = VOID
    target = torch.rand(9, 3, 8, 8, generator=generator)
    preds = target + 0.1 * torch.randn(target.shape, generator=generator)
    return {"classes": (logits[part], ids[part]), "values": (preds[part], target[part])}


PARTS = [slice(0, 1), slice(1, 6), slice(6, 8), slice(8, 9)]
SHARES = {
    "uneven": [PARTS[:3], PARTS[3:]],
    "the first has none": [[], PARTS],
    "the last has none": [PARTS, []],
}


def both(*parts):
    found = MetricSet({f"{name}/{side}": metric for name, pair in pairs().items() for side, metric in enumerate(pair)})
    add(found, *parts)
    return found


def add(metrics, *parts):
    for part in parts:
        metrics.update(batch(part))


def assert_alike(scalars, expected):
    """Both of each pair are as expected; those of torchmetrics to the digits of fp32."""
    for name in pairs():
        assert scalars[f"{name}/0"] == pytest.approx(expected[f"{name}/0"], rel=1e-12)
        assert scalars[f"{name}/1"] == pytest.approx(expected[f"{name}/0"], rel=1e-5)


@pytest.fixture(scope="module")
def whole():
    return both(slice(None)).compute().scalars


def test_both_have_one_value_however_the_batches_are_split(whole):
    assert all(0 < value < 100 for value in whole.values())
    assert_alike(whole, whole)
    assert_alike(both(*PARTS).compute().scalars, whole)
    assert_alike(both(*reversed(PARTS)).compute().scalars, whole)


def test_both_forget_at_a_reset_and_can_be_read_at_any_time(whole):
    metrics = both(PARTS[1])
    metrics.compute()
    metrics.reset()
    add(metrics, *PARTS[:2])
    metrics.compute()
    add(metrics, *PARTS[2:])
    assert_alike(metrics.compute().scalars, whole)
    assert_alike(metrics.compute().scalars, whole)


def test_both_go_on_from_a_state_dict(whole):
    first, second = both(*PARTS[:2]), both()
    for metric in [*first.metrics.values(), *second.metrics.values()]:
        if hasattr(metric, "persistent"):
            metric.persistent(True)
    second.load_state_dict(first.state_dict())
    add(second, *PARTS[2:])
    assert_alike(second.compute().scalars, whole)


def of_a_rank(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {}
    for share, parts in SHARES.items():
        metrics = both(*parts[rank][:1])
        early = metrics.compute().scalars
        add(metrics, *parts[rank][1:])
        found[share] = early, metrics.compute().scalars
        metrics.reset()
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(of_a_rank, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("share", SHARES)
def test_both_give_on_ranks_the_value_of_one_with_all_batches_and_go_on_after_it(share, whole, of_ranks):
    firsts = [part for parts in SHARES[share] for part in parts[:1]]
    early = both(*firsts).compute().scalars
    for found in of_ranks:
        assert_alike(found[share][0], early)
        assert_alike(found[share][1], whole)
