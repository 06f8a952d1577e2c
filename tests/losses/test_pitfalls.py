"""What is wrong in many published losses, held against every loss over class scores that there is."""

from __future__ import annotations

import copy
import gc
import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dltools.losses
from dltools.cfgutils import FieldError
from dltools.losses import (
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    HausdorffLoss,
    LossSum,
    LovaszLoss,
    RegionLoss,
    SurfaceLoss,
)
from dltools.losses.classes import ClassLoss
from dltools.losses.segmentation.distances import DistanceLoss
from dltools.losses.segmentation.utils import signed_distances

VOID = 255
C = 3


def components(base):
    """Every exported component derived from a base, with each mode that it can read."""
    classes = [getattr(dltools.losses, name) for name in dltools.losses.__all__]
    for cls in classes:
        if inspect.isclass(cls) and issubclass(cls, base) and hasattr(cls, "Config"):
            for mode in cls.modes if "mode" in cls.__dataclass_fields__ else [cls.modes[0]]:
                yield pytest.param(cls, mode.value, id=f"{cls.__name__}-{mode.value}")


def make(cls, mode, **options):
    return cls(**({"mode": mode} if "mode" in cls.__dataclass_fields__ else {}), **options)


def pair(cls, mode, shape=(2, 12, 13), seed=0, dtype=torch.float32):
    """Logits and a target of blobs, with every class somewhere."""
    generator = torch.Generator().manual_seed(seed)
    images, *spatial = shape
    channels = 1 if mode == "binary" else C
    logits = 2 * torch.randn(images, channels, *spatial, generator=generator, dtype=dtype)
    coarse = [-(-side // 4) for side in spatial]
    ids = torch.randint(0, C, (images, *coarse), generator=generator)
    for dim, side in enumerate(spatial, start=1):
        ids = ids.repeat_interleave(4, dim).narrow(dim, 0, side)
    if mode == "multiclass":
        return logits, ids
    return logits, torch.stack([ids == channel for channel in range(channels)], 1).long()


def value_and_gradient(loss, logits, target):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    value.backward()
    return value.detach(), logits.grad


every_class_loss = pytest.mark.parametrize(("cls", "mode"), list(components(ClassLoss)))
every_region_loss = pytest.mark.parametrize(("cls", "mode"), list(components(RegionLoss)))


def half_precision(cls, mode, side, dtype, tolerance):
    logits, target = pair(cls, mode, (1, side, side))
    half = logits.to(dtype)
    value, gradient = value_and_gradient(make(cls, mode), half, target)
    exact, _ = value_and_gradient(make(cls, mode), half.double(), target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=tolerance, abs=tolerance)
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


@every_class_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-3)], ids=["fp16", "bf16"])
def test_01_half_logits_of_large_images_are_summed_in_full_precision(cls, mode, dtype, tolerance):
    half_precision(cls, mode, 512, dtype, tolerance)


@pytest.mark.slow
@every_class_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
def test_01_and_of_larger_ones(cls, mode, dtype):
    half_precision(cls, mode, 1024, dtype, 1e-3)


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
def test_02_where_all_is_ignored_the_loss_is_a_connected_zero(cls, mode, dtype):
    logits, target = pair(cls, mode)
    value, gradient = value_and_gradient(
        make(cls, mode, ignore_index=VOID), (logits * 1e4).to(dtype), torch.full_like(target, VOID)
    )
    assert value.shape == ()
    assert value == 0
    assert (gradient == 0).all()


@every_class_loss
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_03_ignored_pixels_have_no_gradient_whatever_their_logits(cls, mode, poison):
    loss = make(cls, mode, ignore_index=VOID)
    logits, target = pair(cls, mode)
    target[..., :3] = VOID
    value, gradient = value_and_gradient(loss, logits, target)
    poisoned = logits.clone()
    poisoned[..., :3] = poison
    same, same_gradient = value_and_gradient(loss, poisoned, target)
    assert torch.equal(value, same)
    assert torch.equal(gradient, same_gradient)
    assert (gradient[..., :3] == 0).all()


@every_class_loss
@pytest.mark.parametrize("sentinel", [1, 255, -100])
def test_04_an_ignore_index_may_be_a_class_id_or_lie_outside_of_them(cls, mode, sentinel):
    if mode != "multiclass" and sentinel == 1:
        pytest.skip("1 is a label, not a class")
    logits, target = pair(cls, mode)
    marked = target.clone()
    marked[..., :4] = sentinel
    other = torch.where(marked == sentinel, 77, marked)
    value, gradient = value_and_gradient(make(cls, mode, ignore_index=sentinel), logits, marked)
    expected, expected_gradient = value_and_gradient(make(cls, mode, ignore_index=77), logits, other)
    assert torch.equal(value, expected)
    assert torch.equal(gradient, expected_gradient)


@every_class_loss
def test_05_an_ignore_index_that_never_occurs_changes_nothing(cls, mode):
    logits, target = pair(cls, mode)
    torch.testing.assert_close(make(cls, mode, ignore_index=VOID)(logits, target), make(cls, mode)(logits, target))


@every_region_loss
def test_06_a_class_that_the_target_lacks_costs_what_absent_says(cls, mode):
    """Nothing and no gradient, or the mean probability, which can be learned from."""
    if cls.__name__ == "GDiceLoss":
        pytest.skip("one ratio over all classes")
    logits, target = pair(cls, mode, (1, 12, 13))
    target = torch.zeros_like(target)
    channel = 0 if mode == "binary" else 1
    by_class = {"reduction": "none"}
    skipped = make(cls, mode, absent="skip", **by_class)(logits, target)
    assert skipped[0, channel] == 0
    penalized = make(cls, mode, absent="penalize", **by_class)(logits.requires_grad_(), target)[0, channel]
    p = torch.softmax(logits, 1) if mode == "multiclass" else torch.sigmoid(logits)
    torch.testing.assert_close(penalized, p[0, channel].mean())
    penalized.backward()
    assert (logits.grad[0, channel] > 0).all()


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("mode", ["multiclass", "binary", "multilabel"])
def test_07_a_small_gamma_has_a_finite_gradient_at_certainty(mode, gamma):
    _, target = pair(FocalLoss, mode)
    sure = 1e4 * (target if mode != "multiclass" else torch.nn.functional.one_hot(target, C).movedim(-1, 1)) - 5e3
    value, gradient = value_and_gradient(FocalLoss(mode=mode, gamma=gamma), sure.float(), target)
    assert value == 0
    assert gradient.isfinite().all()


@every_region_loss
def test_08_soft_labels_are_met_best_by_themselves(cls, mode):
    if mode == "binary" and cls.__name__ == "MCCLoss":
        pytest.skip("a correlation is highest for the hard answer")
    if cls.__name__ in ("MCCLoss", "LovaszLoss"):
        pytest.skip("defined for hard labels")
    generator = torch.Generator().manual_seed(0)
    t = torch.rand(2, 1 if mode == "binary" else C, 5, 6, generator=generator, dtype=torch.float64)
    t = t / t.sum(1, keepdim=True) if mode == "multiclass" else t
    loss = make(cls, mode, from_logits=False)
    at_truth, (nearby, other) = loss(t, t), (0.9 * t + 0.1 * t.flip(-1), t.flip(-1))
    assert at_truth.item() == pytest.approx(0, abs=1e-6)
    assert at_truth < loss(nearby, t) < loss(other, t)


@every_class_loss
def test_09_class_weights_are_checked_once_and_their_scale_cancels_out(cls, mode):
    if mode == "binary":
        with pytest.raises(FieldError, match="class_weight must be None in mode binary"):
            make(cls, mode, class_weight=[2.0])
        return
    logits, target = pair(cls, mode)
    loss, tenfold = (make(cls, mode, class_weight=[k * 1.0, k * 2.0, k * 0.5]) for k in (1, 10))
    before = copy.deepcopy(dict(loss.named_buffers()))
    torch.testing.assert_close(loss(logits, target), tenfold(logits, target))
    assert all(torch.equal(value, before[name]) for name, value in loss.named_buffers())
    assert loss.state_dict() == {}
    with pytest.raises(FieldError, match="class_weight must have 3 values, one a channel, got 2"):
        make(cls, mode, class_weight=[1.0, 2.0])(logits, target)


@every_region_loss
def test_10_for_one_image_all_pools_agree(cls, mode):
    logits, target = pair(cls, mode, (1, 12, 13))
    image, batch, ranks = (make(cls, mode, pool=pool)(logits, target) for pool in ("image", "batch", "global"))
    torch.testing.assert_close(image, batch)
    assert torch.equal(batch, ranks)


# 11, the scale of gradients over ranks: test_ranks.py, test_lovasz_ranks.py.


@every_class_loss
def test_12_sums_and_weights_of_micro_batches_add_up(cls, mode):
    logits, target = pair(cls, mode, (4, 12, 13))
    loss = make(cls, mode)
    whole = torch.stack(loss.measure(logits, target))
    parts = sum(torch.stack(loss.measure(logits[i : i + 1], target[i : i + 1])) for i in range(4))
    torch.testing.assert_close(parts, whole)


def test_13_distances_of_an_enlarged_mask_are_the_enlarged_distances():
    """What deep supervision at several scales needs: targets resized to the nearest, distances in one unit."""
    _, ids = pair(DiceLoss, "multiclass", (1, 24, 24))
    fine = ids[0].repeat_interleave(2, 0).repeat_interleave(2, 1)
    coarse_maps = torch.from_numpy(signed_distances(ids[0].numpy(), C)).repeat_interleave(2, 1).repeat_interleave(2, 2)
    fine_maps = torch.from_numpy(signed_distances(fine.numpy(), C, spacing=(0.5, 0.5)))
    assert (coarse_maps - fine_maps).abs().max() <= 1


@pytest.mark.parametrize("mode", ["multiclass", "binary", "multilabel"])
@pytest.mark.parametrize("label", [0, 1])
def test_14_lovasz_of_one_class_alone_is_finite(mode, label):
    logits, target = pair(LovaszLoss, mode)
    for absent in ("skip", "formula"):
        value, gradient = value_and_gradient(
            LovaszLoss(mode=mode, absent=absent), logits, torch.full_like(target, label)
        )
        assert value.shape == ()
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_15_nothing_against_everything_is_the_largest_hausdorff_loss():
    full, empty = torch.full((1, 1, 9, 9), 50.0), torch.zeros(1, 9, 9)
    worst = HausdorffLoss(mode="binary")(full, empty)
    assert worst == HausdorffLoss(mode="binary")(-full, empty + 1)
    for seed in range(5):
        logits, target = pair(HausdorffLoss, "binary", (1, 9, 9), seed)
        assert HausdorffLoss(mode="binary")(50 * logits, target) < worst
    assert HausdorffLoss(mode="binary")(-full, empty) == 0


def test_16_an_absent_class_is_not_free_for_the_surface_loss():
    logits, target = pair(SurfaceLoss, "binary")
    empty = torch.zeros_like(target)
    values = [SurfaceLoss(mode="binary", absent="penalize")(logits + shift, empty) for shift in (-1, 0, 1)]
    assert values == sorted(values)
    assert values[0] > 0
    assert SurfaceLoss(mode="binary")(50.0 * (2 * target - 1), target) < 0


# 17, degenerate boxes: detection/test_box_losses.py.


@every_class_loss
def test_18_a_batch_is_left_as_it_was(cls, mode):
    logits, target = pair(cls, mode)
    before = logits.clone(), target.clone()
    make(cls, mode)(logits.requires_grad_(), target).backward()
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


@every_class_loss
def test_18_a_batch_is_never_waited_for(cls, mode):
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    logits, target = (part.to("meta") for part in pair(cls, mode))
    make(cls, mode, ignore_index=VOID)(logits.requires_grad_(), target).backward()
    assert logits.grad.shape == logits.shape


@every_class_loss
def test_18_it_compiles_without_a_graph_break(cls, mode):
    logits, target = pair(cls, mode)
    torch._dynamo.reset()
    compiled = torch.compile(make(cls, mode, ignore_index=VOID), fullgraph=True, backend="aot_eager")
    value, gradient = value_and_gradient(compiled, logits, target)
    expected, expected_gradient = value_and_gradient(make(cls, mode, ignore_index=VOID), logits, target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@every_class_loss
def test_19_under_deterministic_algorithms_two_passes_give_the_same_bits(cls, mode):
    logits, target = pair(cls, mode)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (value_and_gradient(make(cls, mode), logits, target) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("cls", [CrossEntropyLoss, DiceLoss, FocalLoss, LovaszLoss])
def test_20_more_pixels_than_fp32_can_count_are_counted(cls):
    """17 million pixels of one class, where a running fp32 sum would stop growing."""
    ids = torch.zeros(1, 4100, 4100, dtype=torch.uint8)
    logits = torch.zeros(1, 2, 1, 1).expand(1, 2, 4100, 4100)
    small = cls()(logits[..., :8, :8], ids[..., :8, :8])
    assert cls()(logits, ids).item() == pytest.approx(small.item(), rel=1e-5)


@every_class_loss
def test_21_memory_format_changes_nothing(cls, mode):
    logits, target = pair(cls, mode)
    value, gradient = value_and_gradient(make(cls, mode), logits, target)
    for strided in (
        logits.contiguous(memory_format=torch.channels_last),
        torch.stack([logits, logits], -1)[..., 0],
        logits.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        same, same_gradient = value_and_gradient(make(cls, mode), strided, target)
        torch.testing.assert_close(same, value)
        torch.testing.assert_close(same_gradient, gradient)


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int32, torch.float32], ids=str)
def test_22_targets_may_have_any_dtype_that_can_hold_them(cls, mode, dtype):
    logits, target = pair(cls, mode)
    if mode == "multiclass" and dtype in (torch.bool, torch.float32):
        with pytest.raises(ValueError, match=r"class probabilities have the shape|integer target"):
            make(cls, mode)(logits, target.to(torch.float32))
        return
    assert torch.equal(make(cls, mode)(logits, target.to(dtype)), make(cls, mode)(logits, target))


@every_class_loss
def test_22_shapes_with_and_without_the_channel_are_taken_and_others_refused(cls, mode):
    logits, target = pair(cls, mode)
    value = make(cls, mode)(logits, target)
    if mode == "multiclass":
        assert torch.equal(make(cls, mode)(logits, target.unsqueeze(1)), value)
    if mode == "binary":
        assert torch.equal(make(cls, mode)(logits.squeeze(1), target.squeeze(1)), value)
    with pytest.raises(ValueError, match=r"got input \(2, .* and target \(2, .*5\)"):
        make(cls, mode)(logits, target[..., :5])


@every_class_loss
@given(order=st.permutations(range(C)), seed=st.integers(0, 100))
def test_the_names_of_the_classes_do_not_matter(cls, mode, order, seed):
    logits, target = pair(cls, mode, (2, 6, 7), seed, torch.float64)
    if mode == "binary":
        return
    other = torch.tensor(order).argsort()[target] if mode == "multiclass" else target[:, order]
    torch.testing.assert_close(make(cls, mode)(logits[:, order], other), make(cls, mode)(logits, target))


@every_class_loss
@given(turns=st.integers(1, 3), seed=st.integers(0, 100))
def test_the_way_an_image_is_held_does_not_matter(cls, mode, turns, seed):
    logits, target = pair(cls, mode, (2, 6, 7), seed, torch.float64)
    turned = make(cls, mode)(logits.rot90(turns, (-2, -1)), target.rot90(turns, (-2, -1)))
    torch.testing.assert_close(turned, make(cls, mode)(logits, target))


PIXEL_LOSSES = [row for row in components(ClassLoss) if not issubclass(row.values[0], (RegionLoss, DistanceLoss))]


@pytest.mark.parametrize(("cls", "mode"), PIXEL_LOSSES)
def test_a_weight_of_two_is_worth_two_pixels(cls, mode):
    if mode != "multiclass" or cls is LovaszLoss:
        pytest.skip("weights are of channels there")
    logits, ids = pair(cls, mode, (1, 40), dtype=torch.float64)
    twice = torch.cat([logits, logits[..., ids[0] == 0]], -1), torch.cat([ids, ids[:, ids[0] == 0]], -1)
    weighted = make(cls, mode, class_weight=[2.0, 1.0, 1.0])(logits, ids)
    torch.testing.assert_close(weighted, make(cls, mode)(*twice))


@every_class_loss
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 6), (0, 4, 4), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("height", [0.0, 80.0, -80.0])
def test_tiny_empty_and_full_images_give_a_finite_scalar(cls, mode, shape, label, height):
    logits, target = pair(cls, mode, shape)
    value, gradient = value_and_gradient(make(cls, mode), logits + height, torch.full_like(target, label))
    assert value.shape == ()
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_class_loss
def test_nothing_of_a_step_outlives_it(cls, mode):
    """A value that leads to itself through the graph is never freed: neither by counting references nor by cycles."""
    loss, (logits, target) = make(cls, mode, ignore_index=VOID), pair(cls, mode)
    logits.requires_grad_()
    loss(logits, target).backward()
    gc.collect()
    gc.disable()
    try:
        before = tensors_alive()
        for _ in range(3):
            loss(logits, target).backward()
        loss(logits, target)
        assert tensors_alive() == before
    finally:
        gc.enable()


def tensors_alive():
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_every_loss_over_class_scores_can_be_summed_with_the_others():
    for mode in ("multiclass", "binary", "multilabel"):
        rows = [row.values for row in components(ClassLoss) if row.values[1] == mode]
        logits, target = pair(None, mode, dtype=torch.float64)
        terms = {cls.__name__: make(cls, mode, ignore_index=VOID) for cls, _ in rows}
        target[0, ..., 0] = VOID
        logits.requires_grad_()
        total, _ = LossSum(terms)({"classes": (logits, target)})
        (gradient,) = torch.autograd.grad(total, logits)
        alone = sum(loss(logits, target) for loss in terms.values())
        (expected,) = torch.autograd.grad(alone, logits)
        torch.testing.assert_close(total, alone)
        torch.testing.assert_close(gradient, expected)
