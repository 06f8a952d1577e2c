"""The one pass over the logits, against autograd of the plain operations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.losses import blocks
from dltools.losses.softmax import _in_plain_operations, count_ids, softmax_statistics


def inputs(seed, shape=(3, 5, 40), dtype=torch.float64, ignored=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=dtype) * 3
    valid = torch.rand(shape[0], shape[2], generator=generator) >= ignored
    ids = torch.randint(0, shape[1], (shape[0], shape[2]), generator=generator) * valid
    return logits, ids, valid


@pytest.mark.parametrize("block", [1, 37, 250, 2**18])
@pytest.mark.parametrize("squares", [False, True])
@given(seed=st.integers(0, 1000))
def test_values_and_gradient_are_those_of_the_plain_operations_whatever_the_block(block, squares, seed):
    logits, ids, valid = inputs(seed)
    weights = [torch.rand(3, 40, dtype=torch.float64), *torch.rand(3, 3, 5, dtype=torch.float64)]
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        for form in (softmax_statistics, _in_plain_operations):
            x = logits.clone().requires_grad_()
            statistics = form(x, ids, valid if seed % 2 else None, squares)
            sum((w * part).sum() for w, part in zip(weights, statistics, strict=True)).backward()
            results.append((*(part.detach() for part in statistics), x.grad))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain)


def test_a_second_backward_pass_gives_the_same_bits():
    logits, ids, valid = inputs(0, dtype=torch.float32)
    logits.requires_grad_()
    total = sum(part.square().sum() for part in softmax_statistics(logits, ids, valid, True))
    first, second = (torch.autograd.grad(total, logits, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_channels_last_logits_keep_their_format():
    logits, ids, valid = inputs(0, (2, 4, 36), torch.float32)
    x = logits.view(2, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    softmax_statistics(x.flatten(2), ids, valid).log_likelihood.sum().backward()
    y = logits.clone().requires_grad_()
    softmax_statistics(y, ids, valid).log_likelihood.sum().backward()
    assert x.grad.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x.grad.flatten(2), y.grad)


def test_small_probabilities_keep_their_logarithm():
    logits = torch.tensor([[[0.0], [300.0]]])
    assert softmax_statistics(logits, torch.zeros(1, 1, dtype=torch.int64), None).log_likelihood.item() == -300


def test_ids_are_counted_in_each_image():
    ids = torch.tensor([[0, 2, 2], [1, 1, 1]])
    valid = torch.tensor([[True, True, False], [True, True, True]])
    assert count_ids(ids, valid, 3).tolist() == [[1, 0, 1], [0, 3, 0]]
