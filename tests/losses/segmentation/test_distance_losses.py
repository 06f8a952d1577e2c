"""What holds for every loss of distances and edges."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import settings

from dltools.cfgutils import FieldError
from dltools.losses import BoundaryLoss, HausdorffLoss, Surface2EdgeLoss, SurfaceLoss

VOID = 255
WEIGHTS = [0.5, 1.0, 2.0, 0.25]
MODES = ("multiclass", "binary", "multilabel")
MAKERS = {
    "surface": SurfaceLoss,
    "surface max": lambda **options: SurfaceLoss(normalize="max", absent="formula", **options),
    "surface diagonal": lambda **options: SurfaceLoss(normalize="diagonal", absent="penalize", **options),
    "surface2edge": Surface2EdgeLoss,
    "surface2edge symmetric": lambda **options: Surface2EdgeLoss(symmetric=True, alpha=2, absent="formula", **options),
    "surface2edge prob": lambda **options: Surface2EdgeLoss(source="prob", tau=None, absent="penalize", **options),
    "hausdorff": HausdorffLoss,
    "hausdorff skip": lambda **options: HausdorffLoss(absent="skip", alpha=1.5, **options),
    "boundary": BoundaryLoss,
    "boundary penalize": lambda **options: BoundaryLoss(absent="penalize", theta=3, **options),
    "boundary formula": lambda **options: BoundaryLoss(absent="formula", theta0=5, **options),
}
LOSSES = {
    f"{mode} {name}": make(mode=mode, ignore_index=VOID, **({} if mode == "binary" else {"class_weight": WEIGHTS}))
    for mode in MODES
    for name, make in MAKERS.items()
}
every_loss = pytest.mark.parametrize("name", LOSSES)
FOUR = ("surface", "surface2edge symmetric", "hausdorff", "boundary")
each_loss_once = pytest.mark.parametrize("name", [f"{mode} {name}" for mode in MODES[:2] for name in FOUR])
few = settings(max_examples=6)


def pair(name, shape=(2, 9, 8), seed=0, dtype=torch.float32):
    """Logits and a target of blobs, with ids or labels as the mode of a loss of LOSSES needs; class 3 is absent."""
    generator = torch.Generator().manual_seed(seed)
    images, *spatial = shape
    coarse = [max(1, size // 3) for size in spatial]
    channels = 1 if name.startswith("binary") else 4
    logits = 2 * torch.randn(images, channels, *spatial, generator=generator, dtype=dtype)
    rough = torch.rand(images, 4, *coarse, generator=generator)
    rough = torch.nn.functional.interpolate(rough, spatial, mode="nearest")
    if name.startswith("multiclass"):
        return logits, rough[:, :3].argmax(1)
    labels = (rough[:, :channels] > 0.5).long()
    labels[:, 3:] = 0
    return logits, labels


def value_and_gradient(loss, logits, *others):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, *others)
    value.backward()
    return value.detach(), logits.grad


@every_loss
def test_the_gradient_is_that_of_the_value(name):
    logits, target = pair(name, (2, 5, 4), dtype=torch.float64)
    target[0, ..., 0] = VOID
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, target), (logits.requires_grad_(),))


@every_loss
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("truth", ["empty", "full", "place"])
def test_degenerate_images_have_finite_values_and_gradients(name, truth, scale):
    logits, target = pair(name)
    target[:] = truth == "full"
    if truth == "place":
        target[..., 4, 4] = 1
    value, gradient = value_and_gradient(LOSSES[name], scale * logits, target)
    assert value.shape == ()
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (2, 2, 2)])
def test_the_smallest_images_have_finite_values_and_gradients(name, shape):
    value, gradient = value_and_gradient(LOSSES[name], *pair(name, shape))
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "name", ["multiclass surface", "binary surface", "multilabel surface2edge prob", "multiclass boundary"]
)
def test_a_volume_of_one_slice_counts_as_that_slice(name):
    logits, target = pair(name)
    flat = value_and_gradient(LOSSES[name], logits, target)
    deep = value_and_gradient(LOSSES[name], logits.unsqueeze(-1), target.unsqueeze(-1))
    torch.testing.assert_close(deep[0], flat[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(deep[1].squeeze(-1), flat[1], rtol=1e-4, atol=1e-5)


@every_loss
def test_a_real_volume_has_a_gradient(name):
    value, gradient = value_and_gradient(LOSSES[name], *pair(name, (1, 6, 7, 6)))
    assert value.isfinite()
    assert (gradient != 0).any()


@pytest.mark.parametrize("name", MAKERS)
def test_class_weights_equal_repetition(name):
    logits, labels = pair("multilabel")
    weighed = MAKERS[name](mode="multilabel", class_weight=[2.0, 1.0, 0.0, 1.0])(logits, labels)
    repeated = [0, 0, 1, 3]
    torch.testing.assert_close(MAKERS[name](mode="multilabel")(logits[:, repeated], labels[:, repeated]), weighed)


@pytest.mark.parametrize("name", MAKERS)
def test_binary_is_multilabel_of_one_channel_and_takes_inputs_without_it(name):
    logits, labels = pair("binary")
    binary, multilabel = (MAKERS[name](mode=mode, ignore_index=VOID) for mode in ("binary", "multilabel"))
    value = multilabel(logits, labels)
    assert torch.equal(binary(logits, labels), value)
    assert torch.equal(binary(logits.squeeze(1), labels.squeeze(1)), value)


@pytest.mark.parametrize("name", MAKERS)
def test_leaving_out_the_background_is_a_weight_of_zero(name):
    logits, target = pair("multiclass")
    torch.testing.assert_close(
        MAKERS[name](include_background=False)(logits, target), MAKERS[name](class_weight=[0, 1, 1, 1])(logits, target)
    )


@every_loss
def test_autocast_does_not_change_the_value(name):
    logits, target = pair(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = LOSSES[name](logits, target)
    assert torch.equal(value, LOSSES[name](logits, target))


@every_loss
def test_a_second_backward_pass_gives_the_same_gradient(name):
    logits, target = pair(name)
    logits.requires_grad_()
    loss = LOSSES[name](logits, target)
    first, second = (torch.autograd.grad(loss, logits, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@every_loss
def test_it_survives_pickle_and_deepcopy_and_saves_nothing(name):
    logits, target = pair(name)
    for twin in (pickle.loads(pickle.dumps(LOSSES[name])), copy.deepcopy(LOSSES[name])):
        assert torch.equal(twin(logits, target), LOSSES[name](logits, target))
    assert LOSSES[name].state_dict() == {}


@every_loss
def test_a_batch_without_images_is_worth_zero(name):
    logits, target = pair(name)
    value, _ = value_and_gradient(LOSSES[name], logits[:0], target[:0])
    assert value == 0


@every_loss
def test_a_batch_is_the_mean_of_its_images(name):
    logits, target = pair(name, (3, 9, 8))
    whole = torch.stack(LOSSES[name].measure(logits, target))
    parts = sum(torch.stack(LOSSES[name].measure(logits[i : i + 1], target[i : i + 1])) for i in range(3))
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("name", MAKERS)
def test_class_probabilities_as_target_are_refused(name):
    logits, _ = pair("multiclass")
    with pytest.raises(ValueError, match=r"need class ids .* got class probabilities \(2, 4, 9, 8\)"):
        MAKERS[name]()(logits, logits.softmax(1))


@every_loss
def test_scores_without_places_are_refused(name):
    logits = torch.randn(3, 1 if name.startswith("binary") else 4)
    target = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match=r"need a spatial dimension, got logits \(3, [14]\)"):
        LOSSES[name](logits, target)


@pytest.mark.parametrize("make", [BoundaryLoss, Surface2EdgeLoss])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_window_without_a_middle_or_a_neighbour_is_refused(make, size):
    with pytest.raises(FieldError, match=f"theta0 must be odd and at least 3, got {size}"):
        make(theta0=size)
