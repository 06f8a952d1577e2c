"""Arithmetic over logged values."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.cfgutils.expression import Expression

VALUES = {"val/iou": 0.5, "val/dice": 0.75, "val/loss": 2.0, "val/iou/3": 0.25, "const/latency_ms": 12.0, "x": -3.0}


class Guarded(Mapping[str, float]):
    """Values that tell of every name that was asked for and is not theirs."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values_by_name = values
        self.strangers: list[object] = []

    def __getitem__(self, name: str) -> float:
        if name not in self.values_by_name:
            self.strangers.append(name)
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("val/iou", 0.5),
        ("0.7*val/iou + 0.3*val/dice - 0.01*val/loss", 0.7 * 0.5 + 0.3 * 0.75 - 0.01 * 2),
        ("val/iou/3", 0.25),
        ("val/iou / 3", 0.5 / 3),
        ("val/iou /val/loss", 0.25),
        ("3/val/iou", 6.0),
        ("(val/iou)/2", 0.25),
        ("1 - 2 - 3", -4.0),
        ("8 / 4 / 2", 1.0),
        ("2**3**2", 512.0),
        ("-x**2", -9.0),
        ("(-x)**2", 9.0),
        ("2**-1", 0.5),
        ("--x", -3.0),
        ("2*-x", 6.0),
        ("abs(x) + min(x, 1, 2) * max(1, 2)", -3.0),
        ("clip(const/latency_ms, 0, 10)", 10.0),
        ("clip(x, 0, 10)", 0.0),
        ("log(1)", 0.0),
        (".5e1 + 1.", 6.0),
        ("'val/iou' + \"x\"", -2.5),
        (" \n\tx\n", -3.0),
    ],
)
def test_an_expression_has_the_value_that_arithmetic_says(text, value):
    assert Expression.parse(text).value(VALUES) == pytest.approx(value, rel=1e-15)


def test_an_expression_tells_its_names_each_once_and_whether_it_is_a_plain_one():
    expression = Expression.parse("val/iou + 2*'val/iou/T-shirt/top' - val/iou")
    assert expression.names == ("val/iou", "val/iou/T-shirt/top") and expression.name is None
    assert Expression.parse("(val/iou)").name == "val/iou"
    assert Expression.parse("1").name is None and Expression.parse("1").names == ()


@pytest.mark.parametrize(
    "text",
    ["1/0", "x / 0", "0/0", "log(0)", "log(x)", "x**0.5", "0**-1", "nan + 1", "min(nan, 1)", "max(1, nan)", "nan**0",
     "1**nan", "0*nan", "clip(nan, 0, 1)", "clip(0, nan, 1)", "abs(nan)", "inf - inf", "1e308*10 - 1e308*10"],
)  # fmt: skip
def test_what_is_undefined_is_nan_and_what_is_made_of_a_nan_too(text):
    assert math.isnan(Expression.parse(text).value({"x": -3.0, "nan": math.nan, "inf": math.inf}))


@pytest.mark.parametrize(
    ("text", "value"),
    [("9**9**9**9", math.inf), ("x**999", -math.inf), ("x**1000", math.inf), ("1e308*10", math.inf), ("x**-999", 0.0)],
)
def test_what_is_too_large_is_infinite_and_found_at_once(text, value):
    started = time.perf_counter()
    assert Expression.parse(text).value({"x": -3000.0}) == value
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["at character 1", "expected a number, a name or '('", "got the end"]),
        ("val/iou +", ["'val/iou +'", "at character 10", "got the end"]),
        ("+x", ["at character 1", "got '+'"]),
        ("0.7val/iou", ["at character 4", "expected an operator", "did you mean 0.7*val/iou?"]),
        ("T shirt", ["at character 3", "stands in quotes"]),
        ("val//iou", ["at character 5", "got '/'"]),
        ("(x", ["at character 3", "expected an operator or ')'"]),
        ("x)", ["at character 2", "expected an operator, got ')'"]),
        ("max(x, 1", ["at character 9", "expected an operator, ',' or ')'"]),
        ("mx(x, 1)", ["at character 1", "no function 'mx'. Did you mean 'max'", "abs, clip, log, max, min"]),
        ("1 + min(x)", ["at character 5", "min takes 2 values or more, got 1"]),
        ("clip(x, 1)", ["clip takes 3 values, got 2"]),
        ("log(x, 2)", ["log takes 1 value, got 2"]),
        ("abs", ["abs is a function: write abs(...)"]),
        ("x % 2", ["at character 3", "'%' means nothing here", "+ - * / **"]),
        ("x // 2", ["at character 4", "got '/'"]),
        ("val/été", ["at character 5", "stands in quotes"]),
        ("'val/iou", ["at character 1", "has no end"]),
        ("''", ["at character 1", "is empty"]),
        ("1e400", ["at character 1", "too large"]),
        ("x" * 1001, ["1001 characters", "1000"]),
        ("(" * 400 + "x" + ")" * 400, ["at character 41", "more than 40"]),
        ("-" * 900 + "x", ["more than 40"]),
        ("2**" * 300 + "2", ["more than 40"]),
    ],
)
def test_what_cannot_be_read_is_told_where_and_what_would_be_right(text, words):
    with pytest.raises(FieldError) as caught:
        Expression.parse(text, "expr")
    assert str(caught.value).startswith("expr cannot be read")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("val/ioo", ["'val/ioo' is not logged. Did you mean 'val/iou'", "A run logs val/iou, val/dice"]),
        ("val/iou/2", ["Did you mean 'val/iou'", "A division would have blanks around its slash: val/iou / 2."]),
        ("val/iou/val/dice", ["val/iou / val/dice"]),
        ("val/f1", ["'val/f1' is not logged"]),
    ],
)
def test_a_name_that_is_not_logged_is_told_with_the_nearest(text, words):
    with pytest.raises(ConfigError) as caught:
        Expression.parse(text).value(dict.fromkeys(("val/iou", "val/dice"), 1.0))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_known_name_that_ends_with_a_slash_stands_for_all_that_begin_with_it():
    Expression.parse("val/auroc/cat + x").check({"val/auroc/", "x"})
    with pytest.raises(ConfigError, match=r"A run logs val/auroc/\.\.\."):
        Expression.parse("val/auroc").check({"val/auroc/"})


def test_of_many_names_an_error_lists_twenty():
    with pytest.raises(ConfigError, match="val/iou/19 and 80 more"):
        Expression.parse("x").check([f"val/iou/{index}" for index in range(100)])


NAMES = ("x", "val/iou", "val/loss/dice", "val/iou/3", "a-b", "it's", 'the "best"', "min", "val/T-shirt/top", "nüm")


def _quoted(name: str) -> str:
    return f'"{name}"' if "'" in name else f"'{name}'"


def _texts() -> st.SearchStrategy[str]:
    """Return expressions made by the grammar, in which Python's precedence is as good as ours."""
    numbers = st.floats(0, 1e3, allow_nan=False).map(lambda value: f"{value:.6g}")
    leaves = st.one_of(numbers, st.sampled_from(NAMES).map(_quoted))

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        binary = st.tuples(inner, st.sampled_from(["+", " - ", "*", " / ", "**"]), inner).map("".join)
        return st.one_of(
            binary,
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: f"-{text}"),
            st.tuples(st.sampled_from(["abs", "log"]), inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
            st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=3)).map(
                lambda pair: f"{pair[0]}({', '.join(pair[1])})"
            ),
            st.tuples(inner, inner, inner).map(lambda three: f"clip({', '.join(three)})"),
        )

    return st.recursive(leaves, grown, max_leaves=12).filter(lambda text: len(text) < 500)


def _by_python(text: str, values: dict[str, float]) -> float:
    """Calculate with Python's own parser and numpy's floats, which differ only in what we call undefined."""
    names = {f"name_{index}": np.float64(value) for index, value in enumerate(values.values())}
    for index, name in enumerate(values):
        text = text.replace(_quoted(name), f"name_{index}")

    def strict(function):
        return lambda *given: np.float64(math.nan if any(map(np.isnan, given)) else function(*given))

    def divided(left, right):
        return math.nan if right == 0 else left / right

    def power(base, exponent):
        return math.nan if base == 0 and exponent < 0 else np.power(base, exponent)

    class Number:
        def __init__(self, value):
            self.value = np.float64(value)

        def __neg__(self):
            return Number(-self.value)

    for sign, function in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("truediv", divided),
                           ("pow", power)):  # fmt: skip
        whole = strict(function)
        setattr(Number, f"__{sign}__", lambda one, two, whole=whole: Number(whole(one.value, two.value)))

    def lifted(function):
        return lambda *given: Number(strict(function)(*(number.value for number in given)))

    functions = {
        "abs": lifted(np.abs), "log": lifted(lambda value: np.log(value) if value > 0 else math.nan),
        "min": lifted(lambda *given: np.min(given)), "max": lifted(lambda *given: np.max(given)),
        "clip": lifted(np.clip),
    }  # fmt: skip
    scope = functions | {name: Number(value) for name, value in names.items()} | {"Number": Number}
    words = _with_numbers_wrapped(text)
    with np.errstate(all="ignore"):
        return float(eval(words, {"__builtins__": {}}, scope).value)


def _with_numbers_wrapped(text: str) -> str:
    import io
    import tokenize

    words = tokenize.generate_tokens(io.StringIO(text).readline)
    return " ".join(f"Number({word.string})" if word.type == tokenize.NUMBER else word.string for word in words).strip()


@settings(max_examples=600)
@given(_texts(), st.lists(st.floats(-1e3, 1e3), min_size=len(NAMES), max_size=len(NAMES)))
def test_an_expression_has_the_value_that_python_and_numpy_give(text, numbers):
    values = dict(zip(NAMES, numbers, strict=True))
    ours, truth = Expression.parse(text).value(values), _by_python(text, values)
    assert np.isclose(ours, truth, rtol=1e-12, atol=0, equal_nan=True), (text, ours, truth)


@settings(max_examples=300)
@given(_texts())
def test_writing_an_expression_down_and_reading_it_gives_the_same_one(text):
    expression = Expression.parse(text)
    assert Expression.parse(str(expression)) == expression
    assert str(Expression.parse(str(expression))) == str(expression)
    assert len(str(expression)) <= 4 * len(text)


NASTY = [
    "__import__('os').system('x')", "().__class__", "9**9**9**9", "lambda: 1", "(x := 1)", "x\0", "\0",
    "[1 for _ in x]", "x if x else x", "x.__class__", "f'{x}'", "x; x", "x\\\nx", "#x", "{x}", "x[0]", "x()",
    "abs(abs)", "min(*x)", "max(x=1)", "exec('x')", "print(x)", "globals()", "__builtins__", "__name__", "True",
    "None", "...", "1j", "0x10", "1_000", "0b1", "\u0661", "\uff12", "\u2460", "x\u00b2", "\u03c0", "\u212f",
    "x\u200b", "\u202ex", "x\ud800", "val\uff0fiou", "\u2212x", "@x", "x@x", "~x", "not x", "x and x", "x<x",
    "x==x", "x!=x", "x->x", "`x`", "$x", "${x}", "%(x)s", "'x'.join", "''", "'''x'''", '"', "'", "(", ")", ",",
    "()", "(,)", "(" * 999, ")" * 999, "(" * 499 + ")" * 499, "-" * 999, "x**" * 333, "**", "x" + "+x" * 499,
    "x" + "**x" * 30, "1" * 1000, "." * 10, "1..2", "1.2.3", "1e", "1e+", "e1", "/", "x/", "/x", "//",
]  # fmt: skip


def _only_reads_what_it_may(text: str) -> None:
    values = Guarded({"x": 2.0, "val/iou": 0.5})
    seen = []

    def profile(frame, event, argument):
        if event == "c_call":
            seen.append(argument.__name__)

    try:
        expression = Expression.parse(text)
        sys.setprofile(profile)
        try:
            value = expression.value(values)
        finally:
            sys.setprofile(None)
    except ConfigError:
        pass
    else:
        assert isinstance(value, float) and set(expression.names) <= set(values)
    assert not values.strangers
    assert not {"eval", "exec", "compile", "__import__", "system", "getattr"} & set(seen)


@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text)[:30])
def test_nothing_but_arithmetic_is_ever_done_with_nasty_text(text):
    _only_reads_what_it_may(text)


@settings(max_examples=700)
@given(st.text(max_size=40))
@example("x + y")
def test_any_text_is_read_or_refused(text):
    _only_reads_what_it_may(text)


@settings(max_examples=700)
@given(st.text("xval/iou0129.e+-*/(), '\"min_", max_size=40))
def test_any_text_of_the_right_characters_is_read_or_refused(text):
    _only_reads_what_it_may(text)


def test_expressions_with_random_mistakes_are_read_or_refused():
    numbers = random.Random(0)
    characters = "xval/iou0129.e+-*/(), '\"_%\0é"
    for _ in range(1500):
        text = list(numbers.choice(["0.7*val/iou + 0.3*x", "clip(x, 0, 1)**2", "-log(abs(x)) / 2", *NASTY[:12]]))
        for _ in range(numbers.randrange(1, 4)):
            position = numbers.randrange(len(text) + 1)
            text[position : position + numbers.randrange(2)] = numbers.choice(characters)
        _only_reads_what_it_may("".join(text))


def test_reading_does_not_depend_on_how_deep_the_caller_is():
    def deeper(levels: int) -> float:
        return deeper(levels - 1) if levels else Expression.parse("(" * 39 + "x" + ")" * 39).value({"x": 1.0})

    assert deeper(600) == 1.0
