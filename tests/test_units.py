"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.units import format_duration, format_size, parse_duration, parse_size

HUNDRED_YEARS = 100 * 366 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("30s", 30.0),
        ("1h15m", 4500.0),
        ("1h15m30.5s", 4530.5),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("250μs", 0.00025),
        ("10ns", 1e-8),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("-1.5h", -5400.0),
        ("+5s", 5.0),
        ("30d", 2_592_000.0),
        ("2w", 1_209_600.0),
        (" 5m ", 300.0),
        ("1s1s", 2.0),
    ],
)
def test_durations_as_go_writes_them(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "30", "s", "1", "-", "+", "1x", "1h 5m", "1h5", "5m-1s", "--5s", "1e3s", ".s", "٣s"],
)
def test_what_is_no_duration(text):
    with pytest.raises(InvalidValue, match="is not a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["101w" * 60, "9" * 400 + "s", "1000000h"])
def test_a_duration_has_an_end(text):
    with pytest.raises(InvalidValue, match="more than a hundred years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (59.9999999, "1m"),
        (60, "1m"),
        (3600, "1h"),
        (3661, "1h1m1s"),
        (90000, "25h"),
        (-90, "-1m30s"),
        (0.000001, "0.000001s"),
    ],
)
def test_durations_are_printed_short(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(min_value=-HUNDRED_YEARS * 10**6, max_value=HUNDRED_YEARS * 10**6))
def test_a_printed_duration_parses_back(micros):
    seconds = micros / 10**6
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1b", 1),
        ("4KiB", 4096),
        ("4kB", 4000),
        ("4k", 4000),
        ("512MiB", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("2TB", 2 * 10**12),
        (" 1 mib ", 1 << 20),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "1.", "1 stone", "1e3", "4 MiB 2", "٣", "9" * 5000, "9" * 400 + ".0"]
)
def test_what_is_no_size(text):
    with pytest.raises(InvalidValue, match="is not a size such as"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (100 * 1024, "100 KiB"),
        (1024 * 1024 - 1, "1.00 MiB"),
        (3 << 19, "1.50 MiB"),
        (5 << 30, "5.00 GiB"),
        (5 << 40, "5.00 TiB"),
        (5000 << 40, "5000 TiB"),
        (-1024, "-1.00 KiB"),
    ],
)
def test_sizes_for_people(size, text):
    assert format_size(size) == text


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_a_number_of_bytes_is_a_size(size):
    assert parse_size(str(size)) == size


@given(st.integers(min_value=0, max_value=1 << 60))
def test_a_printed_size_is_near_what_it_says(size):
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)


@given(st.text(max_size=30))
def test_rubbish_is_refused_politely(text):
    for parse in (parse_duration, parse_size):
        try:
            value = parse(text)
        except InvalidValue as caught:
            value = 0
            assert len(str(caught).splitlines()) == 1  # noqa: PT017 - either way is right
        assert value < 10**40
