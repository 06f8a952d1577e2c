"""The rows of torchmetrics: each can be chosen, built and read, over batches, ranks and restarts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from torch.nn import functional as F
from torchmetrics import Metric, PearsonCorrCoef, classification, detection, image, regression, segmentation
from torchmetrics.wrappers import MinMaxMetric

from dltools.cfgutils import ConfigError
from dltools.cfgutils.build import build
from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.index import Index
from dltools.metrics import MetricSet
from dltools.metrics.theirs import kind_of

MODULE = "dltools.metrics.torchmetrics_table"
FACTS = {"num_classes": 3, "class_names": ["a", "b", "c"], "ignore_index": 255}
SAMPLES = 7


def names():
    index = Index()
    index.add(MODULE)
    return index.names("metric")


def config_of(name):
    ensure_stored("metric", name, MODULE)
    return OmegaConf.structured(ConfigStore.instance().load(f"metric/{name}.yaml").node)


def made(name):
    config = config_of(name)
    if OmegaConf.is_missing(config, "num_labels"):
        config.num_labels = 4
    return build(config, f"metric.{name}", **FACTS)


def data(name):
    """Preds and target that a metric can read, with all samples."""
    generator = torch.Generator().manual_seed(0)
    if name in ("label_ranking_loss", "label_ranking_precision", "coverage_error"):
        return torch.randn(SAMPLES, 4, generator=generator), torch.randint(0, 2, (SAMPLES, 4), generator=generator)
    if name == "exact_match":
        ids = torch.randint(0, 3, (SAMPLES, 2, 2), generator=generator)
        logits = F.one_hot(ids.clone(), 3).movedim(-1, 1).float()
        ids[1], ids[2] = 255, (ids[2] + 1) % 3
        return logits, ids
    if name == "hinge":
        return torch.randn(SAMPLES, 3, generator=generator), torch.randint(0, 3, (SAMPLES,), generator=generator)
    if name in ("cosine_similarity", "jensen_shannon"):
        return tuple(torch.randn(SAMPLES, 5, generator=generator).softmax(1) for _ in range(2))
    if name in ("ssim", "ms_ssim", "uqi", "vif", "spatial_correlation", "spectral_angle"):
        shape = (SAMPLES, 1, 176, 176) if name == "ms_ssim" else (SAMPLES, 3, 64, 64)
        target = F.avg_pool2d(torch.rand(shape, generator=generator), 5, stride=1, padding=2)
        preds = (target + 0.02 * torch.rand(target.shape, generator=generator)).clamp(0, 1)
        return (255 * preds, 255 * target) if name == "vif" else (preds, target)
    target = torch.rand(SAMPLES, generator=generator) + 0.1
    return target + 0.1 * torch.rand(SAMPLES, generator=generator), target


def together(name, *parts):
    found = MetricSet({name: made(name)})
    add(found, name, *parts)
    return found


def add(metrics, name, *parts):
    for part in parts:
        metrics.update({next(iter(metrics.kinds)): tuple(values[part] for values in data(name))})


def value(metrics):
    (found,) = metrics.compute().scalars.values()
    return found


WHOLE, PARTS = slice(None), [slice(0, 3), slice(3, 5), slice(5, 7)]
every_row = pytest.mark.parametrize("name", names())


@every_row
def test_a_row_is_built_with_the_facts_and_gives_a_value(name):
    assert 1e-4 < value(together(name, WHOLE)) < 10
    assert made(name).higher_is_better in (True, False, None)


@every_row
def test_the_split_into_batches_does_not_matter(name):
    assert value(together(name, *PARTS)) == pytest.approx(value(together(name, WHOLE)), rel=1e-5)


@every_row
def test_a_reset_forgets_everything(name):
    metrics = together(name, PARTS[0])
    metrics.reset()
    add(metrics, name, WHOLE)
    assert value(metrics) == value(together(name, WHOLE))


@every_row
def test_its_state_dict_brings_it_back(name):
    first, second = together(name, PARTS[0], PARTS[1]), together(name)
    for metrics in (first, second):
        metrics.metrics[name].persistent(True)
    second.load_state_dict(first.state_dict())
    add(first, name, PARTS[2])
    add(second, name, PARTS[2])
    assert value(second) == value(first)


class MeanOfBatches(Metric):
    """States that ranks are to average and compare, and one of things that are no tensors."""

    def __init__(self):
        super().__init__()
        self.add_state("mean", torch.tensor(0.0), dist_reduce_fx="mean")
        self.add_state("least", torch.tensor(0.0), dist_reduce_fx="min")
        self.add_state("sizes", [], dist_reduce_fx=None)

    def update(self, preds, target):
        self.sizes.append(("size", len(preds)))
        self.mean = preds.mean()
        self.least = preds.min()

    def compute(self):
        return {"mean": self.mean, "least": self.least, "size": torch.tensor(sum(size for _, size in self.sizes))}


def others(parts):
    """A metric of one's own, one that wraps another, and one that is made of another."""
    found = MetricSet(
        {"mine": MeanOfBatches(), "min_max": MinMaxMetric(PearsonCorrCoef()), "twice": 2 * PearsonCorrCoef()}
    )
    preds, target = data("mape")
    for part in parts:
        pair = preds[part], target[part]
        found.update({"classes": pair, "values": pair})
    return found.compute().scalars


SHARES = {
    "uneven": [[PARTS[0], PARTS[1]], [PARTS[2]]],
    "the first has none": [[], PARTS],
    "the last has none": [PARTS, []],
}


def of_a_rank(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    dist.barrier = None  # which their own synchronisation would call
    found = {}
    for share, parts in SHARES.items():
        for name in names():
            metrics = together(name, *parts[rank])
            found[share, name] = [value(metrics), value(metrics)]
        found[share, "others"] = others(parts[rank])
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(of_a_rank, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("share", SHARES)
@every_row
def test_ranks_together_give_the_value_of_one_with_all_batches(name, share, of_ranks):
    expected = value(together(name, WHOLE))
    for found in of_ranks:
        assert found[share, name] == pytest.approx([expected, expected], rel=1e-5)


@pytest.mark.parametrize("share", ["the first has none", "the last has none"])
def test_a_rank_without_a_batch_changes_no_mean_or_minimum_or_wrapped_metric(share, of_ranks):
    expected = others(PARTS)
    assert expected["size"] == SAMPLES
    for found in of_ranks:
        assert found[share, "others"] == pytest.approx(expected, rel=1e-6)


def test_a_metric_of_labels_asks_for_their_number():
    with pytest.raises(ConfigError, match=r"metric.coverage_error.num_labels is missing"):
        build(config_of("coverage_error"), "metric.coverage_error", **FACTS)


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        (classification.MulticlassAccuracy, "classes"),
        (segmentation.MeanIoU, "classes"),
        (regression.PearsonCorrCoef, "values"),
        (image.StructuralSimilarityIndexMeasure, "values"),
        (detection.PanopticQuality, "panoptic"),
        (type("MeanAveragePrecision", (Metric,), {"__module__": "torchmetrics.detection.mean_ap"}), "boxes"),
        (Metric, "classes"),
        (torch.nn.Module, "classes"),
    ],
)
def test_a_metric_of_torchmetrics_reads_what_its_package_is_about(base, kind):
    assert kind_of(base) == kind
    assert kind_of(type("Mine", (base,), {})) == kind


def test_metrics_import_torch_and_nothing_heavy():
    heavy = "('albumentations', 'hotcoco', 'mlflow', 'pycocotools', 'ray', 'sklearn', 'torchmetrics', 'torchvision')"
    code = f"import sys, dltools.metrics, {MODULE}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
