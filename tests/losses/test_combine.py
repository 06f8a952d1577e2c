"""The sum of losses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.losses import (
    BCELoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    GIoULoss,
    JaccardLoss,
    L1Loss,
    LossSum,
    NLLLoss,
    Ramp,
    SqDiceLoss,
    TverskyLoss,
    readings,
)
from dltools.losses.combine import total_of
from dltools.losses.softmax import softmax_statistics
from dltools.meter import Meter

DRAWN = torch.Generator().manual_seed(0)
LOGITS, IDS = torch.randn(2, 4, 5, 6, generator=DRAWN), torch.randint(0, 4, (2, 5, 6), generator=DRAWN)
BOXES = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[1.0, 1, 5, 5]])


def test_each_term_is_weighted_in_the_total_and_measured_before_and_after_its_weight():
    losses = LossSum({"ce": CrossEntropyLoss(weight=0.3), "dice": DiceLoss(weight=0.7)})
    total, measures = losses({"classes": (LOGITS, IDS)})
    assert list(measures) == ["loss/ce", "loss_weighted/ce", "loss/dice", "loss_weighted/dice"]
    torch.testing.assert_close(measures["loss/ce"].mean, CrossEntropyLoss()(LOGITS, IDS))
    torch.testing.assert_close(measures["loss/dice"].mean, DiceLoss()(LOGITS, IDS))
    torch.testing.assert_close(measures["loss_weighted/ce"].mean, 0.3 * CrossEntropyLoss()(LOGITS, IDS))
    torch.testing.assert_close(total, measures["loss_weighted/ce"].mean + measures["loss_weighted/dice"].mean)


def test_each_term_reads_the_output_of_its_kind():
    losses = LossSum({"ce": CrossEntropyLoss(), "giou": GIoULoss(), "l1": L1Loss()})
    assert losses.kinds == {"classes", "boxes", "values"}
    _, measures = losses({"classes": (LOGITS, IDS), "boxes": BOXES, "values": BOXES})
    assert torch.equal(measures["loss/giou"].mean, GIoULoss()(*BOXES))
    assert measures["loss/l1"].mean == 1


def test_only_the_total_carries_the_gradient():
    logits = LOGITS.clone().requires_grad_()
    total, measures = LossSum({"ce": CrossEntropyLoss(weight=2.0)})({"classes": (logits, IDS)})
    total.backward()
    alone = LOGITS.clone().requires_grad_()
    CrossEntropyLoss()(alone, IDS).backward()
    torch.testing.assert_close(logits.grad, 2 * alone.grad)
    assert not any(part.requires_grad for measure in measures.values() for part in measure)


TERMS = {
    "ce": CrossEntropyLoss,
    "focal": FocalLoss,
    "dice": DiceLoss,
    "sq_dice": SqDiceLoss,
    "jaccard": JaccardLoss,
    "tversky": TverskyLoss,
    "nll": NLLLoss,
}


@given(st.lists(st.sampled_from(sorted(TERMS)), min_size=1, unique=True), st.booleans())
def test_a_sum_of_terms_is_the_sum_of_the_losses_alone_with_the_same_gradient(names, ignore):
    """Terms share what they compute; what they give must not depend on the company."""
    options = {"ignore_index": 3 if ignore else None}
    logits = LOGITS.double().requires_grad_()
    total, _ = LossSum({name: TERMS[name](**options) for name in names})({"classes": (logits, IDS)})
    (gradient,) = torch.autograd.grad(total, logits)
    alone = sum(TERMS[name](**options)(logits, IDS) for name in names)
    (expected,) = torch.autograd.grad(alone, logits)
    torch.testing.assert_close(total, alone)
    torch.testing.assert_close(gradient, expected)


def test_terms_that_read_scores_differently_are_read_apart():
    losses = {"ce": CrossEntropyLoss(), "dice": DiceLoss(ignore_index=3), "bce": BCELoss(mode="multilabel")}
    total, _ = LossSum(losses)({"classes": (LOGITS, IDS)})
    torch.testing.assert_close(total, sum(loss(LOGITS, IDS) for loss in losses.values()))


def test_terms_share_one_pass_over_the_logits(monkeypatch):
    calls = []
    monkeypatch.setattr(readings, "softmax_statistics", lambda *a: calls.append(a) or softmax_statistics(*a))
    LossSum({name: make() for name, make in TERMS.items()})({"classes": (LOGITS, IDS)})
    assert len(calls) == 1


def test_a_sum_compiles_without_a_graph_break():
    torch._dynamo.reset()
    losses = LossSum({name: make(ignore_index=3) for name, make in TERMS.items()})
    compiled, _ = torch.compile(losses, fullgraph=True, backend="aot_eager")({"classes": (LOGITS, IDS)})
    torch.testing.assert_close(compiled, losses({"classes": (LOGITS, IDS)})[0])


def test_a_weight_follows_its_ramp():
    losses = LossSum({"ce": CrossEntropyLoss(), "dice": DiceLoss(weight=4.0, ramp=Ramp(shape="linear", end="2ep"))})
    losses.schedule(steps_per_epoch=10, total_steps=100)
    assert [losses.factors(step)["dice"] for step in (0, 5, 10, 20, 90)] == [0, 1, 2, 4, 4]
    total, measures = losses({"classes": (LOGITS, IDS)}, step=5)
    torch.testing.assert_close(total, CrossEntropyLoss()(LOGITS, IDS) + DiceLoss()(LOGITS, IDS))
    torch.testing.assert_close(measures["loss/dice"].mean, DiceLoss()(LOGITS, IDS))


def test_a_ramp_that_ends_before_it_begins_is_named_before_training():
    losses = LossSum({"dice": DiceLoss(ramp={"shape": "linear", "begin": "5ep", "end": "3ep"})})
    with pytest.raises(FieldError, match=r"loss\.dice\.ramp\.end must not lie before begin=5ep, got 3ep"):
        losses.schedule(steps_per_epoch=10, total_steps=100)


def test_learned_variances_weigh_terms_as_kendall_has_it():
    losses = LossSum({"ce": CrossEntropyLoss(), "dice": DiceLoss(weight=2.0)}, balance="uncertainty")
    with torch.no_grad():
        losses.log_variances.copy_(torch.tensor([0.5, -1.0]))
    total, _ = losses({"classes": (LOGITS, IDS)})
    ce, dice = CrossEntropyLoss()(LOGITS, IDS), 2 * DiceLoss()(LOGITS, IDS)
    torch.testing.assert_close(total, ce * np.exp(-0.5) + 0.25 + dice * np.exp(1.0) - 0.5)
    total.backward()
    expected = [-ce.item() * np.exp(-0.5) + 0.5, -dice.item() * np.exp(1.0) + 0.5]
    assert losses.log_variances.grad.tolist() == pytest.approx(expected)
    assert list(losses.state_dict()) == ["log_variances"]


def test_the_mean_of_a_phase_weighs_batches_as_the_losses_do():
    """Two batches of which one is mostly ignored: the sum over both, not the mean of the means."""
    losses, meter = LossSum({"ce": CrossEntropyLoss(ignore_index=3, weight=0.5)}), Meter()
    ids = IDS.clone()
    ids[1, 1:] = 3
    for image in range(2):
        meter.add(losses({"classes": (LOGITS[image : image + 1], ids[image : image + 1])})[1])
    means = total_of(meter.compute())
    whole = CrossEntropyLoss(ignore_index=3)(LOGITS, ids).item()
    assert means == pytest.approx({"loss": whole / 2, "loss/ce": whole})


def test_a_sum_and_its_terms_are_told_under_stable_names():
    means = total_of({"loss/a": 1.0, "loss_weighted/a": 2.0, "loss/b": 3.0, "loss_weighted/b": 3.0, "grad_norm": 9.0})
    assert means["loss"] == 5
    assert list(means) == ["loss", "loss/a", "loss_weighted/a", "loss/b", "loss_weighted/b", "grad_norm"]


def test_a_kind_that_is_not_offered_is_named():
    with pytest.raises(ConfigError, match=r"loss.box reads 'boxes', .* not offer; it offers classes, values"):
        LossSum({"box": GIoULoss()})({"classes": (LOGITS, IDS), "values": BOXES})


def test_a_loss_that_fails_is_named():
    with pytest.raises(ValueError, match="multiclass takes input") as caught:
        LossSum({"ce": CrossEntropyLoss(), "region": DiceLoss()})({"classes": (LOGITS, IDS[:, :3])})
    assert caught.value.__notes__ == ["in loss.ce"]


def test_an_option_that_does_not_fit_the_batch_is_named_with_its_key():
    losses = LossSum({"region": DiceLoss(class_weight=[1.0, 2.0])})
    with pytest.raises(FieldError, match=r"loss\.region\.class_weight must have 4 values, one a channel, got 2"):
        losses({"classes": (LOGITS, IDS)})


def test_names_may_be_any_and_terms_move_and_copy_together():
    losses = LossSum({"type": CrossEntropyLoss(class_weight=[1.0, 2.0, 3.0, 4.0]), "a.b": DiceLoss()})
    twin = copy.deepcopy(losses).to("meta")
    assert list(twin.losses) == ["type", "a.b"]
    assert twin({"classes": (LOGITS.to("meta"), IDS.to("meta"))})[0].device.type == "meta"


def test_no_term_is_refused():
    with pytest.raises(ConfigError, match="at least one term"):
        LossSum({})


def test_a_loss_without_a_reduction_cannot_be_trained_on():
    with pytest.raises(FieldError, match=r"loss\.ce\.reduction must be mean or sum to be trained on, got none"):
        LossSum({"ce": CrossEntropyLoss(reduction="none")})


def test_a_term_may_be_a_sum():
    losses = LossSum({"ce": CrossEntropyLoss(reduction="sum", weight=0.1)})
    total, _ = losses({"classes": (LOGITS, IDS)})
    torch.testing.assert_close(total, 0.1 * torch.nn.functional.cross_entropy(LOGITS, IDS, reduction="sum"))
