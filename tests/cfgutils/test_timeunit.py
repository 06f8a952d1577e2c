"""Time units: what they accept, refuse and come to."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.cfgutils.timeunit import TimeUnit


@pytest.mark.parametrize(
    ("text", "steps"),
    [("2ep", 200), ("0.5ep", 50), ("500st", 500), ("5%", 50), ("100%", 1000), ("0%", 0), ("0.25%", 3), ("0st", 0)],
)
def test_counted_spans_come_to_steps(text: str, steps: int) -> None:
    assert TimeUnit.parse(text).steps(steps_per_epoch=100, total_steps=1000) == steps


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("30min", 1800), ("2h", 7200), ("1.5h", 5400)])
def test_clock_spans_come_to_seconds(text: str, seconds: float) -> None:
    span = TimeUnit.parse(text)
    assert span.is_clock
    assert span.seconds == seconds


@pytest.mark.parametrize("text", ["", "2", "ep", "2 ep", "-1ep", "2epochs", "1e3st", "nan%", "5m", "2ep3st", None, 7])
def test_what_is_no_span_is_refused_with_the_legal_forms(text: object) -> None:
    with pytest.raises(ConfigError, match=r"'2ep'.*'500st'.*'5%'.*'30min'"):
        TimeUnit.parse(text)  # type: ignore[arg-type]


def test_a_refusal_names_the_field_when_it_is_known() -> None:
    with pytest.raises(FieldError, match=r"^warmup must be at most 100%, got '101%'$"):
        TimeUnit.parse("101%", field="warmup")


def test_half_a_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="whole number of steps"):
        TimeUnit.parse("1.5st")


def test_clocks_do_not_count_steps_nor_steps_seconds() -> None:
    with pytest.raises(ConfigError, match="'30min' cannot be counted in steps"):
        TimeUnit.parse("30min").steps(10, 100)
    with pytest.raises(ConfigError, match="'2ep' has no length in seconds"):
        _ = TimeUnit.parse("2ep").seconds


@given(value=st.integers(0, 10**9), unit=st.sampled_from(["ep", "st", "s", "min", "h"]))
def test_a_span_is_written_as_it_is_read(value: int, unit: str) -> None:
    text = f"{value}{unit}"
    assert str(TimeUnit.parse(text)) == text


def test_time_units_need_no_torch() -> None:
    code = "import sys, dltools.cfgutils.timeunit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
