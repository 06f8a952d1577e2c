"""The sum of losses."""

from __future__ import annotations

import copy

import pytest
import torch

from dltools.cfgutils import ConfigError
from dltools.losses import CrossEntropyLoss, DiceLoss, GIoULoss, L1Loss, LossSum

LOGITS, IDS = torch.randn(2, 4, 5, 6), torch.randint(0, 4, (2, 5, 6))
BOXES = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[1.0, 1, 5, 5]])


def test_each_term_is_weighted_in_the_total_and_reported_before_its_weight():
    losses = LossSum({"ce": CrossEntropyLoss(weight=0.3), "dice": DiceLoss(weight=0.7)})
    total, values = losses({"classes": (LOGITS, IDS)})
    assert list(values) == ["ce", "dice"]
    assert torch.equal(values["ce"], CrossEntropyLoss()(LOGITS, IDS))
    assert torch.equal(values["dice"], DiceLoss()(LOGITS, IDS))
    torch.testing.assert_close(total, 0.3 * values["ce"] + 0.7 * values["dice"])


def test_each_term_reads_the_output_of_its_kind():
    losses = LossSum({"ce": CrossEntropyLoss(), "giou": GIoULoss(), "l1": L1Loss()})
    _, values = losses({"classes": (LOGITS, IDS), "boxes": BOXES, "values": BOXES})
    assert torch.equal(values["giou"], GIoULoss()(*BOXES))
    assert values["l1"] == 1


def test_only_the_total_carries_the_gradient():
    logits = LOGITS.clone().requires_grad_()
    total, values = LossSum({"ce": CrossEntropyLoss(weight=2.0)})({"classes": (logits, IDS)})
    total.backward()
    alone = LOGITS.clone().requires_grad_()
    CrossEntropyLoss()(alone, IDS).backward()
    torch.testing.assert_close(logits.grad, 2 * alone.grad)
    assert not values["ce"].requires_grad


def test_a_kind_that_is_not_offered_is_named():
    with pytest.raises(ConfigError, match=r"loss.box reads 'boxes', .* not offer; it offers classes, values"):
        LossSum({"box": GIoULoss()})({"classes": (LOGITS, IDS), "values": BOXES})


def test_a_loss_that_fails_is_named():
    with pytest.raises(ValueError, match="multiclass takes input") as caught:
        LossSum({"ce": CrossEntropyLoss(), "region": DiceLoss()})({"classes": (LOGITS, IDS[:, :3])})
    assert caught.value.__notes__ == ["in loss.ce"]


def test_names_may_be_any_and_terms_move_and_copy_together():
    losses = LossSum({"type": CrossEntropyLoss(class_weight=[1.0, 2.0, 3.0, 4.0]), "a.b": DiceLoss()})
    twin = copy.deepcopy(losses).to("meta")
    assert list(twin.losses) == ["type", "a.b"]
    assert twin({"classes": (LOGITS.to("meta"), IDS.to("meta"))})[0].device.type == "meta"


def test_no_term_is_refused():
    with pytest.raises(ConfigError, match="at least one term"):
        LossSum({})
