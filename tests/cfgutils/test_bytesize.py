"""Sizes: what they accept, refuse and come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError, FieldError
from dltools.cfgutils.bytesize import ByteSize, readable


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0B", 0),
        ("20GiB", 20 * 2**30),
        ("20 GiB", 20 * 2**30),
        ("1.5KiB", 1536),
        ("500MB", 500_000_000),
        ("1kB", 1000),
        ("2TB", 2 * 10**12),
        ("25%", 250),
        ("0.05%", 0),
        ("100%", 1000),
    ],
)
def test_sizes_come_to_bytes_rounded_down(text: str, count: int) -> None:
    assert ByteSize.parse(text).bytes(whole=1000) == count


@pytest.mark.parametrize("text", ["", "20", "GiB", "-1GiB", "20gib", "1e3B", "nan%", "5%%", "20GiB,25%", None, 7])
def test_what_is_no_size_is_refused_with_the_legal_forms(text: object) -> None:
    with pytest.raises(ConfigError, match=r"'20GiB', '500MB' or '25%'"):
        ByteSize.parse(text)  # type: ignore[arg-type]


def test_a_refusal_names_the_field_when_it_is_known() -> None:
    with pytest.raises(FieldError, match=r"^cache_limit must be at most 100%, got '101%'$"):
        ByteSize.parse("101%", field="cache_limit")


@given(value=st.integers(0, 10**9), unit=st.sampled_from(["B", "kB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"]))
def test_a_size_is_written_as_it_is_read(value: int, unit: str) -> None:
    assert str(ByteSize.parse(f"{value}{unit}")) == f"{value}{unit}"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (2**20, "1.0 MiB"),
        (20 * 2**30, "20.0 GiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_people_read_the_largest_unit(count: int, text: str) -> None:
    assert readable(count) == text
