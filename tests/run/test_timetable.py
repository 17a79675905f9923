"""Whose turn it is: due times, jitter, runs that were missed, that overlap, and that wait."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configs import load

from regbot.events import Event, RunMissed
from regbot.run.schedule import Every, Schedule
from regbot.run.timetable import Timetable, Turn, due_rules, turn_at

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Day:
    """A timetable, a clock that it is told, and what began and was missed."""

    def __init__(self, scripts, begin=NOON, before=None):
        self.config = load(f"defaults: {{timezone: UTC}}\nscripts: [{scripts}]")
        self.missed: list[RunMissed] = []
        self.now = begin
        self.timetable = Timetable(due_rules(self.config), begin, self.hear, before or {})
        self.scripts = {script.name: script for script in self.config.scripts}
        self.going: dict[str, Turn] = {}

    def hear(self, event: Event):
        assert isinstance(event, RunMissed)
        self.missed.append(event)

    def at(self, now):
        """The runs that begin at this time, by name and time of day."""
        self.now = now
        self.timetable.advance(now)
        begun = []
        while turn := self.timetable.take():
            self.going[turn.script.name] = turn
            begun.append((turn.script.name, f"{turn.due.astimezone(UTC):%H:%M}"))
        return begun

    def end(self, name):
        if name in self.going:
            self.timetable.ended(self.going.pop(name))

    @property
    def why(self):
        return [
            (miss.script, f"{miss.due.astimezone(UTC):%H:%M}", miss.why, miss.is_late)
            for miss in self.missed
        ]


def hourly(name="a", **more):
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{name: {name}, script: x(), schedule: '@hourly'{extra}}}"


def test_a_run_begins_at_its_time_and_not_before():
    day = Day(hourly())
    assert day.at(NOON + HOUR - timedelta(seconds=1)) == []
    assert day.at(NOON + HOUR) == [("a", "13:00")]
    assert day.missed == []


@pytest.mark.parametrize(
    ("more", "begun"),
    [
        ({}, [("a", "15:00")]),
        ({"misfire": "skip"}, []),
        ({"misfireGrace": "29m"}, []),
        ({"misfireGrace": "30m"}, [("a", "15:00")]),
        ({"misfireGrace": "0s"}, []),
    ],
)
def test_after_a_sleep_missed_runs_are_made_up_for_once_or_not_at_all(more, begun):
    day = Day(hourly(**more))
    assert day.at(NOON + 3.5 * HOUR) == begun
    assert day.why == [("a", "15:00", "its time was missed", bool(begun))]
    day.end("a")
    assert day.at(NOON + 4 * HOUR) == [("a", "16:00")]


def test_a_run_that_was_due_while_no_server_ran_is_made_up_for():
    day = Day(hourly(), NOON + HOUR / 2, before={"a": NOON - HOUR})
    assert day.at(NOON + HOUR / 2) == [("a", "12:00")]
    assert day.why == [("a", "12:00", "its time was missed", True)]


def test_a_restart_after_the_last_run_misses_nothing():
    day = Day(hourly(), NOON + HOUR / 2, before={"a": NOON})
    assert day.at(NOON + HOUR / 2) == []
    assert day.at(NOON + HOUR) == [("a", "13:00")]
    assert day.missed == []


def test_an_interval_is_counted_from_the_last_run_before_a_restart():
    script = "{name: a, script: x(), interval: 24h}"
    day = Day(script, NOON, before={"a": NOON - 23 * HOUR})
    assert day.timetable.upcoming[0].due == NOON + HOUR


@pytest.mark.parametrize(("overlap", "runs"), [("skip", []), ("queue", [("a", "14:00")])])
def test_a_run_that_is_due_while_the_last_one_goes_on(overlap, runs):
    day = Day(hourly(overlap=overlap))
    assert day.at(NOON + HOUR) == [("a", "13:00")]
    assert day.at(NOON + 2 * HOUR) == []
    day.end("a")
    assert day.at(NOON + 2.5 * HOUR) == runs


def test_a_queue_holds_one_run():
    day = Day(hourly(overlap="queue"))
    for hours in (1, 2, 3):
        day.at(NOON + hours * HOUR)
    assert day.why == [("a", "15:00", "the last run waits for its turn", False)]
    day.end("a")
    assert day.at(NOON + 3.5 * HOUR) == [("a", "14:00")]


def test_the_oldest_run_begins_first():
    day = Day(
        "{name: a, script: x(), schedule: '2 * * * *'},"
        "{name: b, script: x(), schedule: '1 * * * *'}"
    )
    day.timetable.advance(NOON + MINUTE)
    day.timetable.advance(NOON + 2 * MINUTE)
    assert day.at(NOON + 2.5 * MINUTE) == [("b", "12:01"), ("a", "12:02")]


def test_a_clock_that_is_set_back_a_little_repeats_nothing():
    day = Day(hourly())
    assert day.at(NOON + HOUR) == [("a", "13:00")]
    day.end("a")
    assert day.at(NOON + HOUR / 2) == []
    assert day.at(NOON + HOUR) == []
    assert day.at(NOON + 2 * HOUR) == [("a", "14:00")]
    assert day.missed == []


def test_a_clock_that_was_a_year_ahead_does_not_stop_a_script():
    day = Day(hourly())
    day.at(NOON + timedelta(days=365))
    day.end("a")
    assert day.at(NOON + HOUR / 2) == []
    assert day.at(NOON + HOUR) == [("a", "13:00")]


def test_a_last_run_in_the_future_does_not_stop_a_script():
    day = Day(hourly(), before={"a": NOON + timedelta(days=365)})
    assert day.at(NOON + HOUR) == [("a", "13:00")]


def test_an_interval_follows_the_time_that_passes_when_the_clock_is_set_back():
    day = Day("{name: a, script: x(), interval: 10m}")
    day.at(NOON + 10 * MINUTE)
    day.end("a")
    assert day.at(NOON - 30 * MINUTE) == []
    assert day.at(NOON - 20 * MINUTE) == [("a", "11:40")]


@given(jitter=st.integers(0, 7200), hours=st.integers(0, 5000), name=st.text(max_size=5))
def test_jitter_is_the_same_everywhere_and_never_reaches_the_next_run(jitter, hours, name):
    (script,) = load(f"scripts: [{hourly(jitter=f'{jitter}s')}]").scripts
    rule = Schedule.parse("@hourly", UTC)
    due = NOON + hours * HOUR
    turn = turn_at(script, rule, due)
    delay = (turn.at - due).total_seconds()
    assert delay == int(delay)
    assert 0 <= delay <= min(jitter, 3599)
    elsewhere = turn_at(script, Schedule.parse("@hourly", PARIS), due.astimezone(PARIS))
    assert elsewhere.at.timestamp() == turn.at.timestamp()


def test_jitter_spreads_scripts():
    day = Day(",".join(hourly(f"s{number}", jitter="10m") for number in range(40)))
    assert len({turn.at for turn in day.timetable.upcoming}) > 20


@settings(max_examples=30)
@given(
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    kinds=st.lists(st.sampled_from([0, 90, 600]), min_size=1, max_size=4),
)
def test_no_run_is_lost_or_doubled_however_late_the_clock_is_looked_at(steps, kinds):
    """Each due time is either begun or told as missed, or one after it is; none twice."""
    scripts = ",".join(
        f"{{name: s{n}, script: x(), schedule: '*/7 * * * *', jitter: {jitter}s}}"
        for n, jitter in enumerate(kinds)
    )
    day = Day(scripts)
    begun: dict[str, list[datetime]] = {name: [] for name in day.scripts}
    now = NOON
    for step in steps:
        now += timedelta(seconds=step)
        day.timetable.advance(now)
        while turn := day.timetable.take():
            assert turn.at <= now
            begun[turn.script.name].append(turn.due)
            day.end(turn.script.name)
    for name, rule in zip(day.scripts, [rule for _, rule in due_rules(day.config)], strict=True):
        script, due, expected = day.scripts[name], rule.next(NOON), []
        while turn_at(script, rule, due).at <= now:
            expected.append(due)
            due = rule.next(due)
        made = begun[name] + [miss.due for miss in day.missed if miss.script == name]
        assert begun[name] == sorted(set(begun[name]))
        assert set(begun[name]) <= set(expected)
        assert expected == [] or max(made) == expected[-1]


def test_a_day_of_fifty_scripts_misses_and_doubles_nothing():
    names = [f"s{number}" for number in range(50)]
    day = Day(",".join(f"{{name: {name}, script: x(), interval: 1m}}" for name in names))
    begun = dict.fromkeys(names, 0)
    for minute in range(1, 24 * 60 + 1):
        for name, _ in day.at(NOON + minute * MINUTE):
            begun[name] += 1
            day.end(name)
    assert begun == dict.fromkeys(names, 24 * 60)
    assert day.missed == []


ZONES = (
    "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata",
    "Pacific/Apia", "Africa/Casablanca", "UTC",
)  # fmt: skip
FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/20", "5,59"]),
    st.sampled_from(["2", "*", "0", "1-3", "23", "*/5"]),
)


def matches(field, value):
    for part in field.split(","):
        body, _, step = part.partition("/")
        low, _, high = body.partition("-")
        numbers = range(60) if body == "*" else range(int(low), int(high or low) + 1)
        if value in numbers and (value - numbers[0]) % int(step or 1) == 0:
            return True
    return False


def walked(minute, hour, zone, begin, days):
    """Every due time of some days, minute by minute.

    With fixed hours by the wall clock, each of its minutes once; else by the time that
    passes.
    """
    found = set()
    for step in range(days * 24 * 60):
        if hour == "*":
            moment = begin + step * MINUTE
            wall = moment.astimezone(zone)
        else:
            wall = begin.astimezone(zone).replace(tzinfo=None) + step * MINUTE
            moment = wall.replace(tzinfo=zone).astimezone(UTC)
        if matches(minute, wall.minute) and matches(hour, wall.hour):
            found.add(moment)
    return sorted(found)


@settings(max_examples=60)
@given(
    fields=FIELDS,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    day=st.one_of(
        st.dates(date(2025, 1, 1), date(2027, 12, 28)),
        st.sampled_from([(2026, 3, 28), (2026, 10, 24), (2026, 3, 7), (2026, 10, 31)]).map(
            lambda ymd: date(*ymd)
        ),
    ),
)
def test_due_times_are_those_of_a_walk_through_every_minute(fields, zone, day):
    begin = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    minute, hour = fields
    expected = [due for due in walked(minute, hour, zone, begin, 3) if due > begin]
    rule = Schedule.parse(f"{minute} {hour} * * *", zone)
    due, got = rule.next(begin), []
    for _ in expected:
        got.append(due.astimezone(UTC))
        due = rule.next(due)
    assert got == expected
    assert rule.last(got[0], got[-1]) == got[-1]
    assert rule.last(got[0], got[-1] - timedelta(seconds=1)) == got[-2 if len(got) > 1 else 0]


def test_the_last_time_before_another_is_found_over_years():
    rule = Schedule.parse("30 2 * * *", PARIS)
    last = rule.last(rule.next(NOON), NOON + timedelta(days=3650))
    assert last == datetime(2036, 6, 28, 2, 30, tzinfo=PARIS)
    every = Every(7)
    assert every.last(NOON, NOON + timedelta(seconds=20)) == NOON + timedelta(seconds=14)
