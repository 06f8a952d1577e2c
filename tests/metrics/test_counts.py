"""What is counted of classes and labels, against sklearn and plain sums."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from dltools.cfgutils import DataError
from dltools.metrics.counts import ConfusionMatrix, ImageCounts, ImageLabelCounts, LabelCounts
from dltools.metrics.state import Reading

CLASSES = 5
VOID = 255
SHAPES = {"few": (3, 6, 7), "many": (2, 40, 50)}
"""Fewer places than cells of 5 classes with 255, and more: they are counted in two ways."""


def batch(seed, classes=CLASSES, shape=SHAPES["few"], void=VOID):
    """Predicted and true ids, some void."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, shape)
    pred = np.where(rng.random(shape) < 0.5, true, rng.integers(0, classes, shape))
    true[rng.random(shape) < 0.2] = void
    return torch.from_numpy(pred), torch.from_numpy(true)


def counted(*pairs, classes=CLASSES, ignore_index=VOID):
    matrix = ConfusionMatrix(num_classes=classes, ignore_index=ignore_index)
    for pair in pairs:
        matrix.update(Reading(*pair))
    return matrix.matrix()


def expected_of(pred, true, classes=CLASSES, void=VOID):
    true, pred = (true[true != void], pred[true != void])
    return confusion_matrix(true, pred, labels=range(classes)) if len(true) else np.zeros((classes, classes))


def logits_of(pred, classes=CLASSES):
    noise = torch.rand(pred.shape[0], classes, *pred.shape[1:])
    return noise.scatter_add(1, pred.unsqueeze(1), torch.ones_like(noise))


class TestConfusionMatrix:
    @given(
        seed=st.integers(0, 10_000),
        classes=st.sampled_from([2, 5, 40, 200]),
        void=st.sampled_from([1, 255, 254, -1, -100, 1000, 40_000, -(2**40), 2**40]),
        shape=st.sampled_from([(4,), (2, 5, 5), (2, 60, 70), (2, 400, 400)]),
    )
    @settings(max_examples=40)
    def test_counts_are_those_of_sklearn_whatever_is_ignored(self, seed, classes, void, shape):
        pred, true = batch(seed, classes, shape, void)
        true[0] = void
        true.flatten()[-1] = 0
        found = counted((pred, true), classes=classes, ignore_index=void)
        assert np.array_equal(found.numpy(), expected_of(pred, true, classes, void))

    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32, torch.uint32, torch.int64])
    def test_the_integer_type_does_not_matter(self, dtype, shape):
        pred, true = batch(1, shape=shape)
        expected = expected_of(pred, true)
        assert np.array_equal(counted((pred.to(dtype), true.to(dtype))), expected)
        assert np.array_equal(counted((pred.to(dtype), true)), expected)
        assert np.array_equal(counted((pred, true.to(dtype))), expected)

    @pytest.mark.parametrize("ignored", [-1, 2, 127, -100])
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_a_signed_byte_may_be_ignored(self, ignored, shape):
        pred, true = batch(1, shape=shape, void=ignored)
        found = counted((pred.to(torch.int8), true.to(torch.int8)), ignore_index=ignored)
        assert np.array_equal(found, expected_of(pred, true, void=ignored))

    @pytest.mark.parametrize("size", [4, 5000])
    def test_8_bit_ids_do_not_wrap_around_to_the_ignore_index(self, size):
        true = torch.full((1, size), 156, dtype=torch.uint8)  # 156 - 256 is -100
        with pytest.raises(DataError, match="got 156 in target"):
            counted((torch.zeros(1, size, dtype=torch.uint8), true), ignore_index=-100)

    @pytest.mark.parametrize("size", [4, 5000])
    @pytest.mark.parametrize(("wrong", "void", "dtype"), [(-5, -1, torch.int64), (40_000, -25_536, torch.uint16)])
    def test_an_id_beyond_the_ignored_one_is_not_ignored(self, wrong, void, dtype, size):
        true = torch.full((1, size), wrong).to(dtype)
        with pytest.raises(DataError, match=f"got {wrong} in target"):
            counted((torch.zeros(1, size, dtype=torch.uint8), true), ignore_index=void)

    @pytest.mark.parametrize("wrong", [2**16, 2**16 + 3, 2**32 + 1, -(2**16), -(2**32) + 2])
    @pytest.mark.parametrize("where", [0, 1])
    def test_wide_ids_do_not_wrap_around_to_a_class(self, wrong, where):
        pair = batch(0, shape=SHAPES["many"])
        pair[1][pair[1] == VOID] = 0
        pair[where][1, 2, 3] = wrong
        with pytest.raises(DataError, match=rf"got {wrong} in {('preds', 'target')[where]}"):
            counted(pair)

    @given(seed=st.integers(0, 1000), cut=st.integers(1, 2))
    def test_neither_the_split_into_batches_nor_the_order_of_pixels_matters(self, seed, cut):
        pred, true = batch(seed)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(pred.numel()))
        whole = counted((pred, true))
        assert torch.equal(counted((pred[:cut], true[:cut]), (pred[cut:], true[cut:])), whole)
        assert torch.equal(counted((pred.flatten()[order], true.flatten()[order])), whole)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
    def test_logits_count_as_the_class_of_the_highest(self, dtype):
        pred, true = batch(2)
        assert torch.equal(counted((logits_of(pred).to(dtype), true)), counted((pred, true)))
        one, of = pred.flatten(), true.flatten()
        assert torch.equal(counted((logits_of(one).to(dtype), of)), counted((pred, true)))

    @pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1)])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_of_equal_logits_the_first_is_predicted_and_nan_before_all(self, shape, dtype):
        logits = torch.tensor([[1, 1, 0], [0, 2, 2], [3, torch.nan, torch.nan], [torch.inf, 0, torch.inf]], dtype=dtype)
        true = torch.tensor([0, 1, 1, 0]).view(4, *shape[2:])
        assert counted((logits.view(shape), true), classes=3).trace() == 4

    @pytest.mark.parametrize("make", [ConfusionMatrix, ImageCounts])
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
    def test_a_batch_is_left_as_it_was(self, dtype, shape, make):
        pair = [ids.to(dtype) for ids in batch(5, shape=shape)]
        before = [ids.clone() for ids in pair]
        make(num_classes=CLASSES, ignore_index=VOID).update(Reading(*pair))
        assert all(torch.equal(ids, old) for ids, old in zip(pair, before, strict=True))

    def test_a_target_may_keep_its_channel(self):
        pred, true = batch(3)
        whole = counted((pred, true))
        assert torch.equal(counted((pred, true.unsqueeze(1))), whole)
        assert torch.equal(counted((logits_of(pred), true.unsqueeze(1))), whole)

    def test_ids_need_not_be_contiguous(self):
        pred, true = batch(3, shape=SHAPES["many"])
        turned = pred.transpose(1, 2), true.transpose(1, 2)
        assert torch.equal(counted(turned), counted((pred, true)))

    def test_binary_logits_predict_class_one_where_they_are_positive(self):
        logits, true = torch.randn(3, 1, 6, 7), torch.randint(0, 2, (3, 6, 7))
        whole = counted(((logits[:, 0] > 0).long(), true), classes=2)
        assert torch.equal(counted((logits, true), classes=2), whole)
        assert torch.equal(counted((logits, true.unsqueeze(1)), classes=2), whole)
        assert torch.equal(counted((logits[:, 0], true), classes=2), whole)
        assert torch.equal(counted((torch.cat([-logits, logits], 1), true), classes=2), whole)

    @pytest.mark.parametrize("wrong", [CLASSES, -1, 254, 300, 70_000])
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("make", [ConfusionMatrix, ImageCounts])
    def test_an_id_out_of_range_is_named_and_not_counted(self, wrong, shape, make):
        pred, true = batch(4, shape=shape)
        true[0, 0, 0] = 0
        state = make(num_classes=CLASSES, ignore_index=VOID)
        for where in ("preds", "target"):
            bad = {"preds": pred, "target": true}[where].clone()
            bad[0, 0, 0] = wrong
            with pytest.raises(DataError, match=rf"0\.\.4 \(5 classes, ignore_index 255\), got {wrong} in {where}$"):
                state.update(Reading(*((bad, true) if where == "preds" else (pred, bad))))
        assert state.totals().places.sum() == 0

    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_what_is_predicted_at_an_ignored_place_may_be_anything(self, shape):
        pred, true = batch(4, shape=shape)
        strange = torch.where(true == VOID, 77_777, pred)
        assert torch.equal(counted((strange, true)), counted((pred, true)))

    def test_ids_out_of_range_on_a_device_are_reported_with_the_counts(self):
        matrix = ConfusionMatrix(num_classes=CLASSES)
        matrix.bins[-1] += 3
        with pytest.raises(DataError, match="got 3 others"):
            matrix.totals()

    @pytest.mark.parametrize(
        ("preds", "target"),
        [
            (torch.rand(2, 4, 3, 3), torch.zeros(2, 3, 3, dtype=torch.int64)),
            (torch.rand(2, 5, 3, 3), torch.zeros(2, 3, 3)),
            (torch.rand(2, 5, 3, 3), torch.zeros(2, 3, 4, dtype=torch.int64)),
            (torch.zeros(2, 3, 3, dtype=torch.int64), torch.zeros(2, 4, dtype=torch.int64)),
            (torch.rand(2), torch.zeros(3, dtype=torch.int64)),
        ],
    )
    def test_shapes_and_types_that_do_not_fit_are_refused_with_both(self, preds, target):
        with pytest.raises(ValueError, match="preds must be logits") as caught:
            counted((preds, target))
        assert f"preds {tuple(preds.shape)}" in str(caught.value)
        assert f"target {tuple(target.shape)}" in str(caught.value)

    def test_it_survives_pickle_and_deepcopy_and_a_state_dict(self):
        matrix = ConfusionMatrix(num_classes=CLASSES, ignore_index=VOID)
        matrix.update(Reading(*batch(7)))
        other = ConfusionMatrix(num_classes=CLASSES, ignore_index=VOID)
        other.load_state_dict(matrix.state_dict())
        for twin in (pickle.loads(pickle.dumps(matrix)), copy.deepcopy(matrix), other):
            assert torch.equal(twin.matrix(), matrix.matrix())

    def test_it_can_be_updated_in_inference_mode_and_outside(self):
        matrix = ConfusionMatrix(num_classes=CLASSES, ignore_index=VOID)
        with torch.inference_mode():
            matrix.update(Reading(*batch(8)))
        matrix.update(Reading(*batch(9)))
        matrix.reset()
        matrix.update(Reading(*batch(8)))
        assert torch.equal(matrix.matrix(), counted(batch(8)))

    def test_a_batch_of_few_does_not_touch_all_cells_of_many_classes(self):
        """Adding 64 places to a million bins, ten thousand times, would read and write 160 GB."""
        matrix = ConfusionMatrix(num_classes=1000)
        pred, true = torch.randint(0, 1000, (64,)), torch.randint(0, 1000, (64,))
        with torch.profiler.profile(record_shapes=True) as profile:
            matrix.update(Reading(pred, true))
        sizes = [torch.Size(shape).numel() for event in profile.events() for shape in event.input_shapes[1:] if shape]
        assert max(sizes) <= 64


class TestImageCounts:
    @given(
        seed=st.integers(0, 1000),
        classes=st.sampled_from([2, 5, 30]),
        shape=st.sampled_from([(3, 6, 7), (2, 50, 60), (0, 4, 4), (3,), (3, 0)]),
        void=st.sampled_from([None, 1, 255, -1]),
    )
    def test_the_totals_of_an_image_are_those_of_its_confusion_matrix(self, seed, classes, shape, void):
        pred, true = batch(seed, classes, shape, -7)
        true[true == -7] = 0 if void is None else void
        state = ImageCounts(num_classes=classes, ignore_index=void)
        state.update(Reading(pred, true))
        found = state.totals()
        assert found.hits.shape == (shape[0], classes)
        for image in range(shape[0]):
            matrix = expected_of(pred[image], true[image], classes, -7 if void is None else void)
            assert np.array_equal(found.hits[image], matrix.diagonal())
            assert np.array_equal(found.predicted[image], matrix.sum(0))
            assert np.array_equal(found.true[image], matrix.sum(1))
            assert np.array_equal(found.places[image], np.full(classes, matrix.sum()))

    def test_images_keep_their_order(self):
        state, pair = ImageCounts(num_classes=CLASSES, ignore_index=VOID), batch(3)
        for part in range(3):
            state.update(Reading(*(ids[part : part + 1] for ids in pair)))
        whole = ImageCounts(num_classes=CLASSES, ignore_index=VOID)
        whole.update(Reading(*pair))
        assert all(torch.equal(one, other) for one, other in zip(state.totals(), whole.totals(), strict=True))


class TestLabelCounts:
    @given(
        seed=st.integers(0, 1000),
        labels=st.integers(1, 3),
        images=st.sampled_from([0, 1, 4]),
        places=st.sampled_from([(), (4, 5), (0, 3)]),
        void=st.sampled_from([None, 0, 1, 255, -1]),
        dtype=st.sampled_from([torch.uint8, torch.int16, torch.int64, torch.float32, torch.bool]),
        threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    )
    def test_totals_are_plain_sums(self, seed, labels, images, places, void, dtype, threshold):
        rng = np.random.default_rng(seed)
        shape = (images, labels, *places)
        scores, true = rng.random(shape), rng.integers(0, 2, shape)
        if void is not None and void >= 0 and dtype is not torch.bool:
            true[rng.random(shape) < 0.3] = void
        options = {"num_labels": labels, "threshold": threshold, "from_logits": False, "ignore_index": void}
        together, apart = LabelCounts(**options), ImageLabelCounts(**options)
        for state in (together, apart):
            state.update(Reading(torch.from_numpy(scores), torch.from_numpy(true).to(dtype)))
        valid, above = (true != void) if void is not None else np.ones(shape, bool), scores > threshold
        parts = above & (true == 1) & valid, above & valid, (true == 1) & valid, valid
        by_image = [part.reshape(images, labels, int(np.prod(places))).sum(2) for part in parts]
        assert all(np.array_equal(found, part) for found, part in zip(apart.totals(), by_image, strict=True))
        assert all(np.array_equal(found, part.sum(0)) for found, part in zip(together.totals(), by_image, strict=True))

    def test_one_label_may_come_without_its_channel(self):
        logits, true = torch.randn(4, 5), torch.randint(0, 2, (4, 5))
        found = []
        for pair in (
            (logits, true),
            (logits[:, None], true),
            (logits, true[:, None]),
            (logits[:, None], true[:, None]),
        ):
            state = LabelCounts(num_labels=1)
            state.update(Reading(*pair))
            found.append(state.counts)
        assert all(torch.equal(one, found[0]) for one in found)
        state = LabelCounts(num_labels=1)
        state.update(Reading(torch.ones(4, 1, 1, 5), torch.ones(4, 1, 5)))
        assert state.totals().hits == 20

    def test_logits_and_probabilities_and_decisions_are_the_same_to_it(self):
        logits, true = torch.randn(9, 3), torch.randint(0, 2, (9, 3))
        found = []
        for preds, from_logits in ((logits, True), (logits.sigmoid(), False), ((logits.sigmoid() > 0.7).int(), True)):
            state = LabelCounts(num_labels=3, threshold=0.7, from_logits=from_logits)
            state.update(Reading(preds, true))
            found.append(state.counts)
        assert all(torch.equal(one, found[0]) for one in found)

    @pytest.mark.parametrize("wrong", [2, -1, 257, 65_537])
    @pytest.mark.parametrize("void", [None, 255])
    def test_a_target_that_is_no_label_is_named(self, wrong, void):
        true = torch.zeros(4, 3, dtype=torch.int64)
        true[1, 2] = wrong
        with pytest.raises(DataError, match=f"must be 0 or 1 .ignore_index {void}., got {wrong}"):
            LabelCounts(num_labels=3, ignore_index=void).update(Reading(torch.randn(4, 3), true))
        with pytest.raises(DataError, match=r"got 0\.5"):
            LabelCounts(num_labels=3).update(Reading(torch.randn(4, 3), torch.full((4, 3), 0.5)))

    @pytest.mark.parametrize(("preds", "target"), [((2, 4), (2, 4)), ((2, 3), (2, 3, 1)), ((2, 3), (2,))])
    def test_shapes_that_do_not_fit_are_refused_with_both(self, preds, target):
        with pytest.raises(ValueError, match=r"must be \(N, 3, \*spatial\), got preds \(2, ") as caught:
            LabelCounts(num_labels=3).update(Reading(torch.rand(preds), torch.zeros(target)))
        assert f"target {target}" in str(caught.value)


@pytest.mark.parametrize("make", [ConfusionMatrix, ImageCounts])
def test_a_batch_of_ids_is_never_waited_for(make):
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    state = make(num_classes=CLASSES, ignore_index=VOID).to("meta")
    state.update(
        Reading(torch.rand(2, CLASSES, 3, 3, device="meta"), torch.zeros(2, 3, 3, dtype=torch.uint8, device="meta"))
    )


@pytest.mark.parametrize("make", [LabelCounts, ImageLabelCounts])
def test_a_batch_of_labels_is_never_waited_for(make):
    state = make(num_labels=3, ignore_index=VOID).to("meta")
    state.update(Reading(torch.rand(2, 3, 4, device="meta"), torch.zeros(2, 3, 4, dtype=torch.int64, device="meta")))
