"""When a schedule is due, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.run.schedule import Every, Schedule
from regbot.run.zones import parse_timezone

PARIS = ZoneInfo("Europe/Paris")
SPRING = datetime(2026, 3, 28, 12, tzinfo=PARIS)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=PARIS)


def times(text: str, after: datetime, count: int, timezone: str = "UTC") -> list[str]:
    schedule, found = Schedule.parse(text, parse_timezone(timezone)), []
    for _ in range(count):
        after = schedule.next(after)
        found.append(after.isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 3 * * *", "2026-01-02T03:15"),
        ("* * * * *", "2026-01-01T12:01"),
        ("*/20 * * * *", "2026-01-01T12:20"),
        ("5/20 * * * *", "2026-01-01T12:05"),
        ("0 9-17 * * mon-fri", "2026-01-01T13:00"),
        ("0 0 * JUL *", "2026-07-01T00:00"),
        ("0 0 * * SUN", "2026-01-04T00:00"),
        ("0 0 * * 0", "2026-01-04T00:00"),
        ("0 0 * * 7", "2026-01-04T00:00"),
        ("0 0 ? * sat", "2026-01-03T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 10 * mon", "2026-01-05T00:00"),
        ("0 0 */9 * mon", "2026-01-05T00:00"),
        ("1,2 4 * * *", "2026-01-02T04:01"),
        ("  0   5 * *\t* ", "2026-01-02T05:00"),
        ("@hourly", "2026-01-01T13:00"),
        ("@daily", "2026-01-02T00:00"),
        ("@midnight", "2026-01-02T00:00"),
        ("@weekly", "2026-01-04T00:00"),
        ("@monthly", "2026-02-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
        ("@annually", "2027-01-01T00:00"),
        ("@every 1h30m", "2026-01-01T13:30"),
        ("CRON_TZ=Europe/Paris 0 14 * * *", "2026-01-01T13:00"),
        ("TZ=Asia/Kolkata @daily", "2026-01-01T18:30"),
    ],
)
def test_the_next_time(text, expected):
    due = Schedule.parse(text, UTC).next(datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert due.astimezone(UTC).isoformat(timespec="minutes") == f"{expected}+00:00"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not a schedule"),
        ("* * * *", "is not a schedule"),
        ("0 * * * * *", "is not a schedule"),
        ("0 0 L * *", "is not a schedule"),
        ("0 0 * * 1#2", "is not a schedule"),
        ("H * * * *", "is not a schedule"),
        ("* * * * funday", "is not a schedule"),
        ("@reboot", "is not a schedule"),
        ("@every", "is not a schedule"),
        ("@every soon", "has no duration"),
        ("@every 0s", "more than 0"),
        ("@every -5m", "more than 0"),
        ("60 * * * *", r"minute 60 is out of range \(0-59\)"),
        ("* 24 * * *", r"hour 24 is out of range \(0-23\)"),
        ("* * 0 * *", r"day of the month 0 is out of range \(1-31\)"),
        ("* * * 13 *", r"month 13 is out of range \(1-12\)"),
        ("* * * * 8", r"weekday 8 is out of range \(0-6\)"),
        ("* * * * 7/2", "weekday '7/2' ends before it begins"),
        ("*/0 * * * *", "minute '\\*/0' has a step of 0"),
        ("0 5-3 * * *", "hour '5-3' ends before it begins"),
        ("0 0 * * sat-sun", "weekday 'sat-sun' ends before it begins"),
        ("mon 0 * * *", "minute 'mon' is not known"),
        ("0 0 * * *-3", "weekday '\\*-3' is not understood"),
        ("0 0 1,,x * *", "day of the month 'x' is not understood"),
        (", 0 * * *", "minute is empty"),
        ("-5 0 * * *", "minute '-5' is not understood"),
        ("\u0665 0 * * *", "is not understood"),
        ("1" * 5000 + " * * * *", "is not understood"),
        ("0 0 31 2 *", "never occurs"),
        ("0 0 31 4,6 *", "never occurs"),
        ("CRON_TZ=Mars/Base @daily", "not a known time zone"),
        ("CRON_TZ=/etc/passwd @daily", "not a known time zone"),
        ("x" * 5000, "is not a schedule"),
    ],
)
def test_what_is_no_schedule(text, what):
    with pytest.raises(InvalidValue, match=what) as caught:
        Schedule.parse(text, UTC)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "name", ["", "Mars", "../UTC", "/etc/localtime", "Europe", "a\0b", "x" * 999]
)
def test_what_is_no_time_zone(name):
    with pytest.raises(InvalidValue, match="is not a known time zone"):
        parse_timezone(name)


def test_a_time_that_spring_leaves_out_moves_on_by_the_gap_once():
    assert times("30 2 * * *", SPRING, 3, "Europe/Paris") == [
        "2026-03-29T03:30+02:00",
        "2026-03-30T02:30+02:00",
        "2026-03-31T02:30+02:00",
    ]


def test_a_moved_time_is_also_found_from_within_the_hour_after_the_gap():
    after = datetime(2026, 3, 29, 3, 10, tzinfo=PARIS)
    assert times("30 2 * * *", after, 1, "Europe/Paris") == ["2026-03-29T03:30+02:00"]


def test_a_time_that_autumn_has_twice_counts_once():
    assert times("30 2 * * *", AUTUMN, 2, "Europe/Paris") == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]
    between = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=PARIS)
    assert times("30 2 * * *", between, 1, "Europe/Paris") == ["2026-10-26T02:30+01:00"]


def test_a_job_of_every_hour_follows_real_time():
    for start in (SPRING, AUTUMN):
        schedule, after = Schedule.parse("@hourly", PARIS), start.astimezone(UTC)
        for _ in range(24):
            due = schedule.next(after).astimezone(UTC)
            assert due - after == timedelta(hours=1)
            after = due


@given(
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    zone=st.sampled_from(
        ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "UTC"]
    ),
    start=st.integers(0, 2 * 366 * 24 * 60).map(
        lambda m: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=m)
    ),
)
def test_a_daily_job_runs_once_a_day_in_any_zone(hour, minute, zone, start):
    schedule, after = Schedule.parse(f"{minute} {hour} * * *", ZoneInfo(zone)), start
    found = []
    for _ in range(5):
        after = schedule.next(after)
        found.append(after)
    assert all(later > earlier for earlier, later in pairwise(found))
    assert found[0] > start
    days = [due.date() for due in found]
    assert [later - earlier for earlier, later in pairwise(days)] == [timedelta(days=1)] * 4


def test_every_counts_from_the_last_time_in_real_seconds():
    start = datetime(2026, 3, 29, 1, 30, tzinfo=PARIS)
    assert Every(3600).next(start).isoformat() == "2026-03-29T03:30:00+02:00"
    assert Every(0.5).next(start) - start == timedelta(seconds=0.5)
