"""The rows of torchmetrics: each can be chosen, built and read."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from dltools.cfgutils.component import ensure_stored
from dltools.cfgutils.index import Index
from dltools.metrics import MetricSet

MODULE = "dltools.metrics.torchmetrics_table"


def rows():
    index = Index()
    index.add(MODULE)
    return [index.find("metric", name) for name in index.names("metric")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_makes_a_config_from_which_the_metric_is_built(row):
    ensure_stored("metric", row.name, MODULE)
    config = OmegaConf.to_container(OmegaConf.structured(ConfigStore.instance().load(f"metric/{row.name}.yaml").node))
    assert config.pop("_target_") == row.target
    module, _, attribute = row.target.rpartition(".")
    metric = getattr(importlib.import_module(module), attribute)(num_classes=3, **config)
    together = MetricSet({row.name: metric})
    together.update({"classes": (torch.randn(30, 3), torch.arange(30) % 3)})
    assert torch.tensor(together.compute()[row.name]).isfinite()
    assert isinstance(metric.higher_is_better, bool)


def test_metrics_import_torch_and_nothing_heavy():
    heavy = "('albumentations', 'hotcoco', 'mlflow', 'pycocotools', 'ray', 'sklearn', 'torchmetrics', 'torchvision')"
    code = f"import sys, dltools.metrics, {MODULE}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
