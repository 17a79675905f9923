"""Cron expressions, against a plain enumeration of minutes by the rules of robfig/cron v3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import dropwhile, islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.run.cron import plain_fields
from regbot.run.schedule import Schedule

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES = {
    3: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
DAYS = 9 * 366
"""Long enough for every 29 February; few expressions need as many days looked at."""


@dataclass(frozen=True)
class Field:
    """A field as written, the values it stands for, and whether it has the star."""

    text: str
    values: frozenset[int]
    star: bool


@st.composite
def parts(draw: st.DrawFn, place: int) -> Field:
    low, high = BOUNDS[place]
    step = draw(st.integers(1, high + 2))
    ending = draw(st.sampled_from(["", f"/{step}"]))
    kind = draw(st.sampled_from(["star", "number", "range"]))
    if kind == "star":
        sign = draw(st.sampled_from("*?"))
        values = range(low, high + 1, step if ending else 1)
        return Field(sign + ending, frozenset(values), not ending or step == 1)
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    if kind == "number":
        end = high if ending else first
        values = range(first, end + 1, step if ending else 1)
        return Field(named(draw, place, first) + ending, frozenset(values), star=False)
    text = f"{named(draw, place, first)}-{named(draw, place, last)}{ending}"
    return Field(text, frozenset(range(first, last + 1, step if ending else 1)), star=False)


def named(draw: st.DrawFn, place: int, number: int) -> str:
    """A number as digits, or as a name in any case where there are names."""
    texts = [str(number), f"{number:02}"]
    if place in NAMES:
        name = NAMES[place][number - BOUNDS[place][0]]
        texts += [name, name.upper(), name.title()]
    return draw(st.sampled_from(texts))


@st.composite
def fields(draw: st.DrawFn, place: int) -> Field:
    several = draw(st.lists(parts(place), min_size=1, max_size=3))
    values = frozenset[int]().union(*(part.values for part in several))
    return Field(",".join(part.text for part in several), values, any(p.star for p in several))


EXPRESSIONS = st.tuples(*(fields(place) for place in range(5)))
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "America/St_Johns", "Australia/Lord_Howe"]
).map(ZoneInfo)


def on(day: date, expression: tuple[Field, ...]) -> bool:
    _, _, days, months, weekdays = expression
    in_days, in_weekdays = day.day in days.values, day.isoweekday() % 7 in weekdays.values
    both = days.star or weekdays.star
    fits = (in_days and in_weekdays) if both else (in_days or in_weekdays)
    return day.month in months.values and fits


def wall_times(first: date, expression: tuple[Field, ...]) -> Iterator[datetime]:
    minutes, hours, *_ = expression
    for number in range(DAYS):
        day = first + timedelta(days=number)
        if on(day, expression):
            for minute in range(24 * 60):
                if minute // 60 in hours.values and minute % 60 in minutes.values:
                    yield datetime.combine(day, time(minute // 60, minute % 60))


def comes(expression: tuple[Field, ...]) -> bool:
    return next(wall_times(date(2024, 1, 1), expression), None) is not None


def parsed(expression: tuple[Field, ...], zone: ZoneInfo) -> Schedule:
    return Schedule.parse(" ".join(field.text for field in expression), zone)


@given(EXPRESSIONS, MOMENTS)
def test_the_next_times_are_those_of_an_enumeration(expression, after):
    assume(comes(expression))
    wall = after.replace(tzinfo=None)
    later = (due for due in wall_times(wall.date(), expression) if due > wall)
    schedule, found = parsed(expression, ZoneInfo("UTC")), []
    for _ in range(4):
        after = schedule.next(after)
        found.append(after.replace(tzinfo=None))
    assert found == [next(later) for _ in found]


@given(EXPRESSIONS, MOMENTS, ZONES)
def test_where_clocks_change_hours_that_are_given_follow_the_wall_clock(expression, after, zone):
    assume(comes(expression) and expression[1].values != frozenset(range(24)))
    walls = wall_times(after.astimezone(zone).date() - timedelta(days=1), expression)
    moments = (wall.replace(tzinfo=zone).astimezone(UTC) for wall in walls)
    later = dropwhile(lambda moment: moment <= after, moments)
    expected = min(moment for moment in islice(later, 300) if moment > after)
    assert parsed(expression, zone).next(after) == expected


@given(fields(0), fields(2), fields(3), fields(4), MOMENTS, ZONES)
def test_where_clocks_change_a_schedule_of_every_hour_follows_real_time(
    minutes, days, months, weekdays, after, zone
):
    every_hour = Field("*", frozenset(range(24)), star=True)
    expression = (minutes, every_hour, days, months, weekdays)
    assume(comes(expression))
    expected = after + timedelta(minutes=1)
    while True:
        wall = expected.astimezone(zone)
        if not on(wall.date(), expression):
            expected += timedelta(minutes=15 - wall.minute % 15)
        elif wall.minute in minutes.values:
            break
        else:
            expected += timedelta(minutes=1)
    assert parsed(expression, zone).next(after) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3-3 * * *", "2026-01-02T03:00 2026-01-03T03:00"),
        ("1-1 * * * *", "2026-01-01T12:01 2026-01-01T13:01"),
        ("0 0 */1 * 1", "2026-01-05T00:00 2026-01-12T00:00"),
        ("0 0 1 * */1", "2026-02-01T00:00 2026-03-01T00:00"),
        ("0 0 */2 * 1", "2026-01-03T00:00 2026-01-05T00:00"),
        ("0 0 1-31 * 1", "2026-01-02T00:00 2026-01-03T00:00"),
        ("0 0 13 * 0-6", "2026-01-02T00:00 2026-01-03T00:00"),
        ("0 0 * * 5/2", "2026-01-02T00:00 2026-01-09T00:00"),
        ("0 0 * * 5-7", "2026-01-02T00:00 2026-01-03T00:00"),
        ("0 0 * 2/5 *", "2026-02-01T00:00 2026-02-02T00:00"),
        ("50/30,? 12 * * *", "2026-01-01T12:01 2026-01-01T12:02"),
        ("*/90 * * * *", "2026-01-01T13:00 2026-01-01T14:00"),
    ],
)
def test_what_croniter_alone_reads_otherwise(text, expected):
    schedule, after, found = Schedule.parse(text, UTC), datetime(2026, 1, 1, 12, tzinfo=UTC), []
    for _ in range(2):
        after = schedule.next(after)
        found.append(f"{after:%Y-%m-%dT%H:%M}")
    assert found == expected.split()


@given(st.text(alphabet="0123456789*?,-/ jansu", max_size=25))
def test_any_text_is_a_schedule_or_an_error_that_says_why(text):
    try:
        fields = plain_fields(text)
    except InvalidValue:
        with pytest.raises(InvalidValue, match=r"is not a schedule: .*\)$"):
            Schedule.parse(text, UTC)
    else:
        assert plain_fields(fields) == fields
