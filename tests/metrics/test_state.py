"""States: sums and rows, kept, shared, forgotten and brought back."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dltools.metrics import ConfusionMatrix, Reading, Rows, State


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Heights(State):
    """A count, a sum and rows."""

    unit: float = 1.0

    def __post_init__(self):
        self.add_sum("number")
        self.add_sum("total", 2, dtype=torch.float64)
        self.rows = Rows(2)

    def update(self, reading):
        self.number += len(reading.preds)
        self.total += reading.preds.sum(0)
        self.rows.add(reading.preds)


def added(*batches):
    state = Heights()
    for batch in batches:
        state.update(Reading(batch, None))
    return state


def test_what_was_worked_out_of_a_batch_is_worked_out_once():
    calls = []
    reading = Reading(1, 2)
    assert [reading.once("ids", lambda: calls.append(1) or 7) for _ in range(3)] == [7, 7, 7]
    assert reading.once("others", lambda: 8) == 8
    assert calls == [1]


def test_rows_are_read_in_the_order_in_which_they_came():
    state = added(torch.ones(2, 2), torch.zeros(0, 2), torch.full((1, 2), 5.0))
    assert state.rows.read().tolist() == [[1, 1], [1, 1], [5, 5]]
    assert len(state.rows) == 3 and state.rows.read().dtype == torch.float64
    state.rows.add(torch.zeros(1, 2))
    assert len(state.rows.read()) == 4


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"rows must be \(n, 2\), got \(3, 4\)"):
        Rows(2).add(torch.zeros(3, 4))


def test_reset_forgets_sums_and_rows():
    state = added(torch.ones(2, 2))
    state.reset()
    assert state.number == 0 and not state.total.any() and len(state.rows) == 0


def test_a_state_dict_brings_everything_back():
    first, rest = torch.rand(3, 2), torch.rand(2, 2)
    whole, restored = added(first, rest), Heights()
    restored.load_state_dict(added(first).state_dict())
    restored.update(Reading(rest, None))
    assert restored.number == whole.number
    assert torch.equal(restored.total, whole.total)
    assert torch.equal(restored.rows.read(), whole.rows.read())


def test_the_key_is_the_class_and_its_options():
    assert Heights().key == Heights().key != Heights(unit=2.0).key
    matrix = ConfusionMatrix(num_classes=3)
    assert matrix.key == ConfusionMatrix(num_classes=3).key
    assert matrix.key != ConfusionMatrix(num_classes=3, ignore_index=0).key != ConfusionMatrix(num_classes=4).key
