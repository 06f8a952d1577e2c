"""What holds for every loss, whatever it measures."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import DataError, FieldError
from dltools.losses import (
    AsymmetricLoss,
    BCELoss,
    CrossEntropyLoss,
    DiceLoss,
    F1Loss,
    FocalLoss,
    FocalTverskyLoss,
    GDiceLoss,
    JaccardLoss,
    KLLoss,
    LovaszLoss,
    MCCLoss,
    MultilabelSoftMarginLoss,
    NLLLoss,
    Poly1Loss,
    SoftMarginLoss,
    SqDiceLoss,
    SqJaccardLoss,
    TverskyLoss,
)

VOID = 255
WEIGHTS = [0.5, 1.0, 2.0, 0.25]


MULTICLASS = {
    "ce": CrossEntropyLoss(ignore_index=VOID),
    "ce weighted smoothed": CrossEntropyLoss(ignore_index=VOID, class_weight=WEIGHTS, label_smoothing=0.1),
    "focal": FocalLoss(ignore_index=VOID),
    "focal gamma 0.5": FocalLoss(ignore_index=VOID, gamma=0.5, class_weight=WEIGHTS),
    "focal positives": FocalLoss(ignore_index=VOID, normalizer="positives"),
    "dice": DiceLoss(ignore_index=VOID),
    "dice batch micro": DiceLoss(ignore_index=VOID, pool="batch", average="micro", class_weight=WEIGHTS),
    "dice penalize": DiceLoss(ignore_index=VOID, absent="penalize", include_background=False, class_weight=WEIGHTS),
    "dice formula": DiceLoss(ignore_index=VOID, absent="formula", smooth=1.0),
    "nll": NLLLoss(ignore_index=VOID, class_weight=WEIGHTS),
    "kl": KLLoss(ignore_index=VOID, temperature=2.0),
    "sq_dice": SqDiceLoss(ignore_index=VOID),
    "sq_jaccard batch": SqJaccardLoss(ignore_index=VOID, pool="batch", class_weight=WEIGHTS),
    "jaccard": JaccardLoss(ignore_index=VOID, include_background=False),
    "gdice": GDiceLoss(ignore_index=VOID, class_weight=WEIGHTS),
    "gdice penalize": GDiceLoss(ignore_index=VOID, absent="penalize"),
    "tversky": TverskyLoss(ignore_index=VOID),
    "focal_tversky": FocalTverskyLoss(ignore_index=VOID, gamma=2.0),
    "f1": F1Loss(ignore_index=VOID, beta=2.0),
    "mcc": MCCLoss(ignore_index=VOID),
    "mcc batch micro": MCCLoss(ignore_index=VOID, pool="batch", average="micro", class_weight=WEIGHTS),
    "lovasz": LovaszLoss(ignore_index=VOID),
    "lovasz batch penalize": LovaszLoss(ignore_index=VOID, pool="batch", absent="penalize", class_weight=WEIGHTS),
    "lovasz formula": LovaszLoss(ignore_index=VOID, absent="formula", include_background=False),
    "lovasz exact": LovaszLoss(ignore_index=VOID, exact=True),
    "poly1": Poly1Loss(ignore_index=VOID, class_weight=WEIGHTS),
}
SIGMOID = {
    "bce": lambda mode: BCELoss(mode=mode, ignore_index=VOID),
    "bce pos_weight": lambda mode: BCELoss(
        mode=mode, ignore_index=VOID, pos_weight=WEIGHTS[: 1 if mode == "binary" else 4]
    ),
    "focal": lambda mode: FocalLoss(mode=mode, ignore_index=VOID, alpha=0.25, gamma=1.5),
    "focal positives": lambda mode: FocalLoss(mode=mode, ignore_index=VOID, gamma=0.5, normalizer="positives"),
    "dice": lambda mode: DiceLoss(mode=mode, ignore_index=VOID),
    "dice batch penalize": lambda mode: DiceLoss(mode=mode, ignore_index=VOID, pool="batch", absent="penalize"),
    "bce smoothed": lambda mode: BCELoss(mode=mode, ignore_index=VOID, label_smoothing=0.1),
    "sq_dice": lambda mode: SqDiceLoss(mode=mode, ignore_index=VOID),
    "focal_tversky": lambda mode: FocalTverskyLoss(mode=mode, ignore_index=VOID),
    "mcc": lambda mode: MCCLoss(mode=mode, ignore_index=VOID),
    "lovasz": lambda mode: LovaszLoss(mode=mode, ignore_index=VOID),
    "lovasz batch exact": lambda mode: LovaszLoss(mode=mode, ignore_index=VOID, pool="batch", exact=True),
    "soft_margin": lambda mode: SoftMarginLoss(mode=mode, ignore_index=VOID),
    "asymmetric": lambda mode: AsymmetricLoss(mode=mode, ignore_index=VOID, gamma_pos=1.0),
}
LABELLED = {f"{mode} {name}": make(mode) for mode in ("binary", "multilabel") for name, make in SIGMOID.items()}
LABELLED["multilabel soft margin"] = MultilabelSoftMarginLoss(ignore_index=VOID, class_weight=WEIGHTS)
CLASS_LOSSES = MULTICLASS | LABELLED


def pair(name, shape=(2, 5, 6), seed=0, dtype=torch.float32):
    """Logits and a target with ids or labels for a loss of CLASS_LOSSES."""
    generator = torch.Generator().manual_seed(seed)
    images, *spatial = shape
    channels = 1 if name.startswith("binary") else 4
    logits = torch.randn(images, channels, *spatial, generator=generator, dtype=dtype) * 2
    if name in MULTICLASS:
        return logits, torch.randint(0, 4, shape, generator=generator)
    return logits, torch.randint(0, 2, (images, channels, *spatial), generator=generator)


def value_and_gradient(loss, logits, target):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    value.backward()
    return value.detach(), logits.grad


every_class_loss = pytest.mark.parametrize("name", CLASS_LOSSES)


@every_class_loss
def test_the_gradient_is_that_of_the_value(name):
    logits, target = pair(name, (2, 3, 2), dtype=torch.float64)
    target[0, ..., 0] = VOID
    assert torch.autograd.gradcheck(lambda x: CLASS_LOSSES[name](x, target), (logits.requires_grad_(),))


@every_class_loss
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_ignored_places_have_exactly_no_gradient_whatever_their_logits(name, poison):
    loss = CLASS_LOSSES[name]
    logits, target = pair(name)
    target[:, ..., :2] = VOID
    value, gradient = value_and_gradient(loss, logits, target)
    poisoned = logits.clone()
    poisoned[..., :2] = poison
    same, same_gradient = value_and_gradient(loss, poisoned, target)
    assert value.isfinite()
    assert torch.equal(value, same)
    assert torch.equal(gradient, same_gradient)
    assert (gradient[..., :2] == 0).all()
    assert (gradient[..., 2:] != 0).any()


@every_class_loss
def test_ignoring_equals_cutting_out(name):
    logits, target = pair(name)
    marked = target.clone()
    marked[..., 4:] = VOID
    value, gradient = value_and_gradient(CLASS_LOSSES[name], logits, marked)
    cut, cut_gradient = value_and_gradient(CLASS_LOSSES[name], logits[..., :4], target[..., :4])
    torch.testing.assert_close(value, cut)
    torch.testing.assert_close(gradient[..., :4], cut_gradient)


@every_class_loss
def test_an_ignore_index_that_never_occurs_changes_nothing(name):
    loss = CLASS_LOSSES[name]
    without = copy.deepcopy(loss)
    without.ignore_index = None
    logits, target = pair(name)
    torch.testing.assert_close(loss(logits, target), without(logits, target), rtol=1e-6, atol=0)


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_where_all_is_ignored_the_loss_is_zero_with_zero_gradient(name, dtype):
    logits, target = pair(name)
    logits = (logits * 1e4).to(dtype)
    value, gradient = value_and_gradient(CLASS_LOSSES[name], logits, torch.full_like(target, VOID))
    assert value.shape == ()
    assert value == 0
    assert (gradient == 0).all()


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_the_integer_type_of_the_target_does_not_matter(name, dtype):
    logits, target = pair(name)
    target[..., 0] = VOID
    assert torch.equal(CLASS_LOSSES[name](logits, target.to(dtype)), CLASS_LOSSES[name](logits, target))


@every_class_loss
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_places_does_not_matter(name, seed):
    logits, target = pair(name, (2, 24), seed)
    target[:, ..., ::5] = VOID
    order = torch.from_numpy(np.random.default_rng(seed).permutation(24))
    torch.testing.assert_close(
        CLASS_LOSSES[name](logits[..., order], target[..., order]), CLASS_LOSSES[name](logits, target)
    )


@every_class_loss
@pytest.mark.parametrize("spatial", [(), (7,), (3, 4), (2, 3, 4)], ids=str)
def test_any_number_of_spatial_dimensions_gives_the_value_of_the_flattened(name, spatial):
    logits, target = pair(name, (3, *spatial))
    flat = target.reshape(*target.shape[: target.dim() - len(spatial)], -1)
    torch.testing.assert_close(
        CLASS_LOSSES[name](logits, target), CLASS_LOSSES[name](logits.reshape(*logits.shape[:2], -1), flat)
    )


@every_class_loss
def test_memory_format_does_not_matter(name):
    logits, target = pair(name)
    strided = logits.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(CLASS_LOSSES[name](strided, target), CLASS_LOSSES[name](logits, target))


@every_class_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_large_half_precision_maps_are_summed_in_full_precision(name, dtype, tolerance):
    logits, target = pair(name, (1, 512, 512))
    half = logits.to(dtype)
    value, gradient = value_and_gradient(CLASS_LOSSES[name], half, target)
    exact, _ = value_and_gradient(CLASS_LOSSES[name], half.double(), target)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    assert value.item() == pytest.approx(exact.item(), rel=tolerance)
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


@every_class_loss
def test_autocast_does_not_change_the_value(name):
    logits, target = pair(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = CLASS_LOSSES[name](logits, target)
    assert torch.equal(value, CLASS_LOSSES[name](logits, target))


@every_class_loss
def test_a_batch_is_never_waited_for(name):
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    logits, target = pair(name)
    loss = copy.deepcopy(CLASS_LOSSES[name]).to("meta")
    logits = logits.to("meta").requires_grad_()
    loss(logits, target.to("meta")).backward()
    assert logits.grad.shape == logits.shape


@every_class_loss
def test_it_compiles_without_a_graph_break(name):
    logits, target = pair(name)
    torch._dynamo.reset()
    compiled = torch.compile(CLASS_LOSSES[name], fullgraph=True, backend="aot_eager")
    value, gradient = value_and_gradient(compiled, logits, target)
    expected, expected_gradient = value_and_gradient(CLASS_LOSSES[name], logits, target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@every_class_loss
def test_probabilities_may_be_given_in_place_of_logits(name):
    loss = copy.deepcopy(CLASS_LOSSES[name])
    logits, target = pair(name, dtype=torch.float64)
    target[..., 0] = VOID
    probability = torch.sigmoid(logits) if name in LABELLED else torch.softmax(logits, 1)
    expected = loss(logits if name != "nll" else probability.log(), target)
    loss.from_logits = False
    value, gradient = value_and_gradient(loss, torch.where(torch.arange(6) == 0, torch.nan, probability), target)
    torch.testing.assert_close(value, expected)
    assert (gradient[..., 0] == 0).all()
    assert gradient.isfinite().all()


@every_class_loss
def test_inputs_are_left_as_they_were(name):
    logits, target = pair(name)
    target[..., 0] = VOID
    before = logits.clone(), target.clone()
    CLASS_LOSSES[name](logits.requires_grad_(), target).backward()
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


@every_class_loss
def test_it_survives_pickle_and_deepcopy_and_saves_nothing(name):
    loss = CLASS_LOSSES[name]
    logits, target = pair(name)
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(logits, target), loss(logits, target))
    assert loss.state_dict() == {}


@every_class_loss
def test_a_batch_without_images_is_worth_zero(name):
    logits, target = pair(name)
    value, _ = value_and_gradient(CLASS_LOSSES[name], logits[:0], target[:0])
    assert value == 0


@every_class_loss
def test_a_wrong_target_shape_is_refused_with_both_shapes(name):
    logits, target = pair(name)
    with pytest.raises(ValueError, match=rf"got input \({logits.shape[0]}, .* and target .* 9\)"):
        CLASS_LOSSES[name](logits, torch.zeros(*target.shape[:-1], 9, dtype=torch.int64))


@every_class_loss
def test_integer_logits_are_refused(name):
    logits, target = pair(name)
    with pytest.raises(ValueError, match="input must be floating, got"):
        CLASS_LOSSES[name](logits.long(), target)


@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize("wrong", [4, -1, -100, 1000])
def test_a_class_id_out_of_range_is_named(name, wrong):
    logits, target = pair(name)
    target[1, 2, 3] = wrong
    with pytest.raises(DataError, match=rf"in 0\.\.3 \(4 classes, ignore_index 255\), got {wrong}$"):
        MULTICLASS[name](logits, target)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("wrong", [2, -1, 254])
def test_a_label_that_is_not_between_zero_and_one_is_named(name, wrong):
    logits, target = pair(name)
    target[1, 0, 2] = wrong
    with pytest.raises(DataError, match=rf"target must be in 0\.\.1 in mode \w+ \(ignore_index 255\), got {wrong}"):
        LABELLED[name](logits, target)


def test_an_8_bit_target_does_not_wrap_around_to_the_ignore_index():
    target = torch.full((1, 4, 4), 156, dtype=torch.uint8)  # 156 - 256 is -100
    for loss in (CrossEntropyLoss(ignore_index=-100), BCELoss(ignore_index=-100)):
        with pytest.raises(DataError, match="got 156"):
            loss(torch.randn(1, 3 if isinstance(loss, CrossEntropyLoss) else 1, 4, 4), target)


@pytest.mark.parametrize("name", MULTICLASS)
def test_a_target_may_keep_its_channel(name):
    logits, target = pair(name)
    assert torch.equal(MULTICLASS[name](logits, target.unsqueeze(1)), MULTICLASS[name](logits, target))


@pytest.mark.parametrize("name", [name for name in LABELLED if name.startswith("binary")])
def test_binary_takes_logits_and_targets_with_and_without_their_channel(name):
    loss = LABELLED[name]
    logits, target = pair(name)
    value = loss(logits, target)
    assert torch.equal(loss(logits, target.squeeze(1)), value)
    assert torch.equal(loss(logits.squeeze(1), target), value)
    assert torch.equal(loss(logits.squeeze(1), target.squeeze(1)), value)


@pytest.mark.parametrize("name", [name for name in LABELLED if name.startswith("binary")])
def test_binary_refuses_three_channels(name):
    for target in (torch.zeros(2, 5, 6), torch.zeros(2, 3, 5, 6)):
        with pytest.raises(ValueError, match=r"binary takes input \(N, 1, .* got input \(2, 3, 5, 6\)"):
            LABELLED[name](torch.randn(2, 3, 5, 6), target)


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), FocalLoss(), DiceLoss()], ids=lambda loss: type(loss).__name__)
def test_softmax_over_one_channel_is_refused(loss):
    with pytest.raises(ValueError, match="C > 1"):
        loss(torch.randn(2, 1, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64))


@pytest.mark.parametrize("make", [CrossEntropyLoss, FocalLoss, DiceLoss])
def test_class_weights_must_fit_the_channels_and_be_weights(make):
    with pytest.raises(FieldError, match="class_weight must have 4 values, one a channel, got 2"):
        make(class_weight=[1.0, 2.0])(torch.randn(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
    for wrong in ([1.0, -1.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]):
        with pytest.raises(FieldError, match="class_weight must be finite, not negative and not all zero"):
            make(class_weight=wrong)


@pytest.mark.parametrize("make", [BCELoss, FocalLoss, DiceLoss])
def test_class_weights_are_refused_where_they_would_do_nothing(make):
    with pytest.raises(FieldError, match="class_weight must be None in mode binary"):
        make(mode="binary", class_weight=[2.0])


@pytest.mark.parametrize("make", [CrossEntropyLoss, FocalLoss])
def test_the_scale_of_class_weights_cancels_out(make):
    logits, target = pair("ce")
    torch.testing.assert_close(
        make(class_weight=[10 * w for w in WEIGHTS])(logits, target), make(class_weight=WEIGHTS)(logits, target)
    )


@pytest.mark.parametrize("name", [name for name in CLASS_LOSSES if "batch" not in name and "positives" not in name])
def test_sums_and_weights_of_parts_of_a_batch_add_up_to_those_of_the_whole(name):
    logits, target = pair(name, (4, 5, 6))
    loss = CLASS_LOSSES[name]
    whole = torch.stack(loss.measure(logits, target))
    parts = sum(torch.stack(loss.measure(logits[i : i + 1], target[i : i + 1])) for i in range(4))
    torch.testing.assert_close(parts, whole)


def test_losses_import_torch_and_nothing_heavy():
    heavy = "('albumentations', 'mlflow', 'ray', 'scipy', 'sklearn', 'torchmetrics', 'torchvision')"
    code = f"import sys, dltools.losses; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
