"""Class probabilities as target, of which some places are ignored: the same as class ids wherever they are certain."""

from __future__ import annotations

import inspect

import pytest
import torch

import dltools.losses
from dltools.cfgutils import DataError
from dltools.losses import CrossEntropyLoss, DiceLoss, FocalLoss, LossSum, LovaszLoss
from dltools.losses.classes import ClassLoss
from dltools.losses.segmentation.distances import DistanceLoss
from dltools.mode import Mode

VOID = 255
C = 4
WEIGHTS = [0.5, 1.0, 2.0, 0.25]


def multiclass_losses():
    """Every loss that takes class probabilities, plain and with the options that change how places are weighed."""
    classes = [getattr(dltools.losses, name) for name in dltools.losses.__all__]
    for cls in classes:
        refusing = inspect.isclass(cls) and issubclass(cls, (DistanceLoss, LovaszLoss))
        if not inspect.isclass(cls) or refusing or not issubclass(cls, ClassLoss) or not hasattr(cls, "Config"):
            continue
        if Mode.multiclass not in cls.modes:
            continue
        fields = cls.__dataclass_fields__
        mode = {"mode": "multiclass"} if "mode" in fields else {}
        for options in ({}, {"class_weight": WEIGHTS}, {"label_smoothing": 0.1}, {"normalizer": "positives"}):
            if all(name in fields for name in options):
                words = "-".join([cls.__name__, *options])
                yield pytest.param(lambda cls=cls, given={**mode, **options}, **more: cls(**given, **more), id=words)


every_loss = pytest.mark.parametrize("make", list(multiclass_losses()))


def batch(spatial=(6, 7), dtype=torch.float64):
    """Logits, ids of which some are ignored, and the same ids as class probabilities."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, C, *spatial, generator=generator, dtype=dtype)
    ids = torch.randint(0, C, (3, *spatial), generator=generator)
    hidden = torch.rand(ids.shape, generator=generator) < 0.3
    hidden[2] = True  # of this image nothing counts
    certain = torch.nn.functional.one_hot(ids, C).movedim(-1, 1).to(torch.float32)
    certain = torch.where(hidden.unsqueeze(1), float(VOID), certain)
    return logits, ids.masked_fill(hidden, VOID), certain


def value_and_gradient(loss, logits, target):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    value.backward()
    return value.detach(), logits.grad


@every_loss
@pytest.mark.parametrize("spatial", [(6, 7), (5,), ()], ids=str)
def test_ignored_places_of_certain_probabilities_are_those_of_ids(make, spatial):
    logits, ids, certain = batch(spatial)
    value, gradient = value_and_gradient(make(ignore_index=VOID), logits, certain)
    expected, expected_gradient = value_and_gradient(make(ignore_index=VOID), logits, ids)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@every_loss
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_what_a_model_says_at_ignored_places_never_matters(make, poison):
    logits, ids, certain = batch()
    mixed = torch.where(certain == VOID, certain, 0.7 * certain + 0.3 / C)
    value, gradient = value_and_gradient(make(ignore_index=VOID), logits, mixed)
    hidden = (ids == VOID).unsqueeze(1)
    poisoned, poisoned_gradient = value_and_gradient(make(ignore_index=VOID), logits.masked_fill(hidden, poison), mixed)
    assert value.isfinite()
    assert torch.equal(value, poisoned)
    assert torch.equal(gradient, poisoned_gradient)
    assert (gradient[hidden.expand_as(gradient)] == 0).all()


@every_loss
def test_ignoring_mixed_places_equals_cutting_them_out(make):
    logits, _, _ = batch((5, 6))
    mixed = torch.softmax(batch((5, 6))[0].flip(1).float(), 1)
    value, gradient = value_and_gradient(make(), logits[..., :4], mixed[..., :4])
    mixed[..., 4:] = VOID
    ignored, ignored_gradient = value_and_gradient(make(ignore_index=VOID), logits, mixed)
    torch.testing.assert_close(ignored, value)
    torch.testing.assert_close(ignored_gradient[..., :4], gradient)


@every_loss
def test_where_all_is_ignored_the_loss_is_a_connected_zero(make):
    logits, _, certain = batch()
    value, gradient = value_and_gradient(make(ignore_index=VOID), logits, torch.full_like(certain, VOID))
    assert value == 0
    assert (gradient == 0).all()


@every_loss
def test_an_ignore_index_that_never_occurs_changes_nothing(make):
    logits, _, _ = batch()
    mixed = torch.softmax(logits.flip(1).float(), 1)
    torch.testing.assert_close(make(ignore_index=VOID)(logits, mixed), make()(logits, mixed))


def test_it_compiles_without_a_graph_break():
    logits, _, certain = batch(dtype=torch.float32)
    for loss in (CrossEntropyLoss(ignore_index=VOID), DiceLoss(ignore_index=VOID), FocalLoss(ignore_index=VOID)):
        torch._dynamo.reset()
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(logits, certain), loss(logits, certain))


def test_terms_of_a_sum_share_the_reading():
    logits, ids, certain = batch()
    terms = {"ce": CrossEntropyLoss(ignore_index=VOID), "dice": DiceLoss(ignore_index=VOID)}
    soft, _ = LossSum(terms)({"classes": (logits, certain)})
    hard, _ = LossSum(terms)({"classes": (logits, ids)})
    torch.testing.assert_close(soft, hard)


def test_a_place_must_be_ignored_in_all_of_its_channels():
    logits, _, certain = batch()
    certain[0, 1] = VOID
    certain[0, 2] = 0.5
    with pytest.raises(DataError, match=r"class probabilities must be in 0\.\.1 \(ignore_index 255\), got 255"):
        CrossEntropyLoss(ignore_index=VOID)(logits, certain)


def test_half_precision_tells_ignored_places_apart_too():
    logits, ids, certain = batch(dtype=torch.float32)
    for dtype in (torch.float16, torch.bfloat16):
        soft = CrossEntropyLoss(ignore_index=VOID)(logits, certain.to(dtype))
        torch.testing.assert_close(soft, CrossEntropyLoss(ignore_index=VOID)(logits, ids))
