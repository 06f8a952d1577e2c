"""Metrics that are updated and read together."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassConfusionMatrix

from dltools.cfgutils import ConfigError, DataError
from dltools.metrics import (
    PCK,
    Accuracy,
    ConfusionMatrix,
    ConfusionTable,
    DiceScore,
    F1Score,
    MeanAbsoluteError,
    MeanAveragePrecision,
    MeanIoU,
    MetricSet,
)

LOGITS, IDS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
BOX = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "scores": torch.ones(1), "labels": torch.zeros(1, dtype=torch.int64)}


def read(**metrics):
    together = MetricSet(metrics)
    together.update({"classes": (LOGITS, IDS), "boxes": ([BOX], [BOX])})
    return together.compute().scalars


def alone(metric):
    metric.update(LOGITS, IDS)
    return metric.compute()


def test_each_metric_has_the_value_that_it_has_alone():
    found = read(
        accuracy=Accuracy(num_classes=3),
        f1=F1Score(num_classes=3),
        iou=MeanIoU(num_classes=3),
        bare=DiceScore(num_classes=3, include_background=False),
        void=MeanIoU(num_classes=3, ignore_index=0),
    )
    assert found == {
        "accuracy": alone(Accuracy(num_classes=3)).item(),
        "f1": alone(F1Score(num_classes=3)).item(),
        "iou": alone(MeanIoU(num_classes=3)).item(),
        "bare": alone(DiceScore(num_classes=3, include_background=False)).item(),
        "void": alone(MeanIoU(num_classes=3, ignore_index=0)).item(),
    }


def test_a_state_is_updated_once_for_all_that_share_it(monkeypatch):
    calls = []
    update = ConfusionMatrix.update
    monkeypatch.setattr(ConfusionMatrix, "update", lambda *args: calls.append(args) or update(*args))
    metrics = {name: make(num_classes=3) for name, make in [("a", Accuracy), ("b", F1Score), ("c", MeanIoU)]}
    together = MetricSet({**metrics, "d": MeanIoU(num_classes=3, ignore_index=0)})
    together.update({"classes": (LOGITS, IDS)})
    assert len(calls) == 2
    copy.deepcopy(together).update({"classes": (LOGITS, IDS)})
    assert len(calls) == 4
    together.reset()
    assert torch.tensor(list(together.compute().scalars.values())).isnan().all()


def test_metrics_of_torchmetrics_stand_beside_ours():
    found = read(
        accuracy=Accuracy(num_classes=3), theirs=MulticlassAccuracy(3, average="micro"), auroc=MulticlassAUROC(3)
    )
    assert found["theirs"] == pytest.approx(found["accuracy"])
    assert found["auroc"] == pytest.approx(alone(MulticlassAUROC(3)).item())


def test_one_value_a_class_is_named_by_the_class():
    names = ["cat", "dog", "T-shirt/top"]
    found = read(
        f1=F1Score(num_classes=3, per_class=True),
        named=F1Score(num_classes=3, per_class=True, class_names=names),
        theirs=MulticlassAccuracy(3, average="none"),
    )
    assert list(found)[:4] == ["f1", "f1/0", "f1/1", "f1/2"]
    assert list(found)[4:8] == ["named", "named/cat", "named/dog", "named/T-shirt/top"]
    assert list(found)[8:] == ["theirs/0", "theirs/1", "theirs/2"]


def test_a_value_with_rows_and_columns_is_a_table():
    together = MetricSet({"acc": Accuracy(num_classes=3), "matrix": MulticlassConfusionMatrix(3)})
    together.update({"classes": (LOGITS, IDS)})
    scalars, tables = together.compute()
    assert list(scalars) == ["acc"] and list(tables) == ["matrix"]
    np.testing.assert_array_equal(tables["matrix"].values, confusion_matrix(IDS, LOGITS.argmax(1)))
    assert tables["matrix"].rows == tables["matrix"].columns == ["0", "1", "2"]


def test_the_rows_and_columns_of_a_table_have_the_names_of_the_classes():
    together = MetricSet({"matrix": ConfusionTable(num_classes=3, class_names=["cat", "dog", "cow"])})
    assert together.compute().tables["matrix"].rows == ["cat", "dog", "cow"]


def test_the_names_and_directions_are_known_before_the_first_batch():
    together = MetricSet({"acc": Accuracy(num_classes=3), "ours": MeanAbsoluteError(), "theirs": MulticlassAccuracy(3)})
    assert together.expected() == {"acc": True, "ours": False, "theirs": True}
    assert together.metrics["theirs"].update_called is False


def test_what_a_foreign_metric_will_give_may_be_unknown():
    assert MetricSet({"auroc": MulticlassAUROC(3)}).expected() == {"auroc": True, "auroc/": True}


def test_a_dict_has_its_own_value_under_the_name_of_the_metric():
    assert {"map", "map_50", "map_75", "mar_100"} < set(read(map=MeanAveragePrecision()))
    assert {"coco", "coco_50", "coco_75", "mar_100"} < set(read(coco=MeanAveragePrecision()))
    assert list(read(jaccard=MeanIoU(num_classes=3, per_class=True))) == [
        "jaccard",
        "jaccard/0",
        "jaccard/1",
        "jaccard/2",
    ]


def test_no_value_hides_another():
    found = read(map=MeanAveragePrecision(), few=MeanAveragePrecision(max_detections=1))
    assert {"map", "few", "mar_1", "few/mar_1"} < set(found)


def test_a_kind_that_is_not_offered_is_named():
    together = MetricSet({"joints": PCK()})
    with pytest.raises(ConfigError, match=r"metric.joints reads 'keypoints', .* not offer; it offers classes, boxes"):
        together.update({"classes": (LOGITS, IDS), "boxes": ([], [])})
    with pytest.raises(ConfigError, match="it offers classes"):
        together.check_offer(("classes",))
    together.check_offer(("classes", "keypoints"))


def test_a_metric_that_fails_is_named():
    together = MetricSet({"acc": Accuracy(num_classes=3), "theirs": MulticlassAUROC(3)})
    with pytest.raises(DataError) as caught:
        together.update({"classes": (LOGITS, IDS + 1)})
    assert caught.value.__notes__ == ["in metric.acc, batch 1 since the last reset"]
    with pytest.raises(ValueError, match="No samples") as caught, pytest.warns(UserWarning, match="before the"):
        together.compute()
    assert caught.value.__notes__[-1] == "in metric.theirs"


def test_states_move_together():
    together = MetricSet({"acc": Accuracy(num_classes=3), "pck": PCK()}).to("meta")
    assert {buffer.device.type for buffer in together.buffers()} == {"meta"}


def test_no_metric_is_a_set_too():
    together = MetricSet({})
    together.update({"classes": (LOGITS, IDS)})
    assert together.compute() == ({}, {})
