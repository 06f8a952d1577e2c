"""Term expressions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError
from dltools.cfgutils.terms import Term, is_expression, parse

NAMES = st.from_regex(r"[a-df-z_][a-z0-9_]{0,8}", fullmatch=True)
WEIGHTS = st.one_of(st.none(), st.floats(1e-6, 1e6, allow_nan=False).map(lambda value: float(f"{value:.6g}")))


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("dice+focal", [Term("dice"), Term("focal")]),
        ("0.7*dice+0.3*focal", [Term("dice", 0.7), Term("focal", 0.3)]),
        ("0.7dice+0.3focal", [Term("dice", 0.7), Term("focal", 0.3)]),
        (" 0.7 * dice + 1e-3*focal ", [Term("dice", 0.7), Term("focal", 1e-3)]),
        (".5dice", [Term("dice", 0.5)]),
        ("1e+2*smooth_l1", [Term("smooth_l1", 100.0)]),
        ("focal+dice", [Term("dice"), Term("focal")]),
    ],
)
def test_an_expression_is_read_as_its_terms_in_canonical_order(expression: str, terms: list[Term]) -> None:
    assert parse("loss", expression) == terms


@given(st.lists(st.tuples(WEIGHTS, NAMES), min_size=1, max_size=5, unique_by=lambda pair: pair[1]))
def test_writing_terms_down_and_reading_them_gives_the_same_terms(pairs: list[tuple[float | None, str]]) -> None:
    terms = [Term(name, weight) for weight, name in pairs]
    assert parse("loss", "+".join(map(str, terms))) == sorted(terms, key=lambda term: term.name)


def test_order_is_kept_in_a_group_where_it_has_a_meaning() -> None:
    assert [term.name for term in parse("transform", "rotate+flip")] == ["rotate", "flip"]


@pytest.mark.parametrize(
    ("group", "expression", "words"),
    [
        ("loss", "dice+dice", "'dice' is named twice"),
        ("loss", "0.5*dice+0.2*dice", "with the sum of its weights"),
        ("loss", "dice-focal", "position 5, got '-'"),
        ("loss", "dice+", "got the end"),
        ("loss", "+dice", "position 1, got '+'"),
        ("loss", "0.7**dice", "got '0'"),
        ("loss", "(dice)", "got '('"),
        ("loss", "dice focal", "got 'f'"),
        ("writer", "2*csv+jsonl", "carry no weight; only loss does. Write writer=csv+jsonl."),
    ],
)
def test_a_wrong_expression_is_told_where_and_what_would_be_right(group: str, expression: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(group, expression)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{group}={expression}")


@given(st.text(max_size=20))
def test_any_text_is_either_read_or_refused_with_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse("loss", text)


def test_a_plain_name_is_no_expression_and_a_single_group_has_none() -> None:
    assert not is_expression("loss", "dice")
    assert not is_expression("loss", "my-preset")
    assert is_expression("loss", "0.5dice")
    assert not is_expression("model", "a+b")
