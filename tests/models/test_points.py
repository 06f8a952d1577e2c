import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.models.points import assign, decode, make_points

POINTS = make_points([(16, 16), (8, 8), (4, 4)], [4, 8, 16], torch.empty(0))


def boxes_of(rng, count):
    low = rng.uniform(0, 50, (count, 2))
    return np.concatenate([low, low + rng.uniform(2, 60, (count, 2))], axis=1).astype(np.float32)


def assigned_by_loops(points, boxes, labels, radius):
    """The definition, one point and one object at a time."""
    owners = []
    for number, (x, y, stride) in enumerate(points):
        claims = []
        for at, (x1, y1, x2, y2) in enumerate(boxes):
            longest = max(x2 - x1, y2 - y1)
            if stride != (4 if longest <= 32 else 8 if longest <= 64 else 16):
                continue
            offsets = [max(abs(px - (x1 + x2) / 2), abs(py - (y1 + y2) / 2)) for px, py, s in points if s == stride]
            here = max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2))
            first = [i for i, point in enumerate(points) if point[2] == stride][int(np.argmin(offsets))]
            if (x1 < x < x2 and y1 < y < y2 and here <= radius * stride) or number == first:
                claims.append(((x2 - x1) * (y2 - y1), at))
        owners.append(min(claims)[1] if claims else None)
    return owners


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 4))
def test_assignment_follows_its_definition(seed, count):
    rng = np.random.default_rng(seed)
    boxes, labels = boxes_of(rng, count), rng.integers(0, 5, count)
    wanted = assign(POINTS, [torch.from_numpy(boxes)], [torch.from_numpy(labels)], num_classes=5)
    owners = assigned_by_loops(POINTS.numpy(), boxes, labels, 1.5)
    for at, owner in enumerate(owners):
        assert bool(wanted.positive[0, at]) == (owner is not None)
        expected = np.zeros(5) if owner is None else np.eye(5)[labels[owner]]
        assert np.array_equal(wanted.classes[0, at].numpy(), expected)
        assert np.array_equal(wanted.boxes[0, at].numpy(), np.zeros(4) if owner is None else boxes[owner])


def test_images_of_a_batch_are_assigned_apart_and_one_may_be_empty():
    box, none = torch.tensor([[10.0, 10, 30, 30]]), torch.empty(0, 4)
    label, no_label = torch.tensor([2]), torch.empty(0, dtype=torch.int64)
    wanted = assign(POINTS, [none, box], [no_label, label], num_classes=3)
    assert not wanted.positive[0].any() and wanted.positive[1].any()
    assert wanted.classes.shape == (2, len(POINTS), 3) and not wanted.classes[0].any()


def test_even_the_smallest_object_has_a_point():
    wanted = assign(POINTS, [torch.tensor([[11.9, 11.9, 12.1, 12.1]])], [torch.tensor([0])], num_classes=1)
    assert wanted.positive.sum() == 1


def suppressed_by_loops(boxes, scores, labels, threshold):
    kept = []
    for at in np.argsort(-scores, kind="stable"):
        for other in kept:
            if labels[other] != labels[at]:
                continue
            x1, y1 = np.maximum(boxes[at, :2], boxes[other, :2])
            x2, y2 = np.minimum(boxes[at, 2:], boxes[other, 2:])
            common = max(x2 - x1, 0) * max(y2 - y1, 0)
            areas = [(boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1]) for i in (at, other)]
            if common / (sum(areas) - common) > threshold:
                break
        else:
            kept.append(at)
    return kept


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 25))
def test_decoding_keeps_what_greedy_suppression_keeps(seed, count):
    rng = np.random.default_rng(seed)
    boxes = boxes_of(rng, count)
    probabilities = rng.uniform(0.01, 0.99, (count, 2))
    logits = torch.from_numpy(np.log(probabilities / (1 - probabilities)))[None].float()
    (found,) = decode({"logits": logits, "boxes": torch.from_numpy(boxes)[None]}, 0.3, 100, 0.5)
    points, labels = np.nonzero(probabilities > 0.3)
    scores = probabilities[points, labels]
    kept = suppressed_by_loops(boxes[points].astype(np.float64), scores, labels, 0.5)
    assert np.allclose(found["scores"].numpy(), scores[kept], atol=1e-5)
    assert np.array_equal(found["boxes"].numpy(), boxes[points[kept]])
    assert np.array_equal(found["labels"].numpy(), labels[kept])


def test_decoding_is_best_first_and_ends_at_the_limit():
    boxes = torch.tensor([[[0.0, 0, 4, 4], [10, 10, 14, 14], [20, 20, 24, 24]]])
    (found,) = decode({"logits": torch.tensor([[[0.0], [2.0], [1.0]]]), "boxes": boxes}, 0.05, 2, 0.5)
    assert torch.equal(found["boxes"], boxes[0, [1, 2]])


def test_nothing_likely_gives_no_boxes():
    (found,) = decode({"logits": torch.full((1, 3, 2), -9.0), "boxes": torch.zeros(1, 3, 4)})
    assert found["boxes"].shape == (0, 4) and found["scores"].shape == (0,) and found["labels"].shape == (0,)


@pytest.mark.parametrize("count", [1, 5])
def test_targets_decode_to_the_objects(count):
    rng = np.random.default_rng(count)
    low = rng.permutation(5)[:count, None] * 12.0 + np.zeros((1, 2))
    boxes = torch.from_numpy(np.concatenate([low, low + 11], axis=1)).float()
    labels = torch.arange(count)
    wanted = assign(POINTS, [boxes], [labels], num_classes=5)
    (found,) = decode({"logits": wanted.classes * 20 - 10, "boxes": wanted.boxes})
    order = found["labels"].argsort()
    assert torch.equal(found["boxes"][order], boxes) and torch.equal(found["labels"][order], labels)
