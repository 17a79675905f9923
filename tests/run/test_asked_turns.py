"""Runs that somebody asks a server for: when they begin, beside those that are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from support.configs import load

from regbot.config.values import Script
from regbot.events import Event, RunMissed
from regbot.run.timetable import Timetable, Turn, due_rules

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Asked:
    """A timetable of the hourly scripts a and b, and what is asked of it."""

    def __init__(self, **more):
        extra = "".join(f", {key}: {value}" for key, value in more.items())
        scripts = ", ".join(
            f"{{name: {name}, script: x(), schedule: '@hourly'{extra}}}" for name in ("a", "b")
        )
        config = load(f"defaults: {{timezone: UTC}}\nscripts: [{scripts}]")
        self.scripts = {script.name: script for script in config.scripts}
        self.missed: list[RunMissed] = []
        self.timetable = Timetable(due_rules(config), NOON, self.hear, {})

    def hear(self, event: Event):
        assert isinstance(event, RunMissed)
        self.missed.append(event)

    def ask(self, name, minute=0, work="run"):
        at = NOON + minute * MINUTE
        return self.timetable.ask(Turn(self.scripts[name], at, at, work, is_asked=True))

    def apply(self, plan, *names, minute=0):
        at = NOON + minute * MINUTE
        script = Script(", ".join(names))
        return self.timetable.ask(
            Turn(script, at, at, "apply", is_asked=True, plan=plan, scripts=names)
        )

    def taken(self):
        """The turns that begin now."""
        turns = []
        while turn := self.timetable.take():
            turns.append(turn)
        return turns


def test_what_is_asked_for_begins_at_once_and_moves_no_due_time():
    asked = Asked()
    upcoming = asked.timetable.upcoming
    assert asked.ask("a")
    assert asked.timetable.waiting == {"a"}
    (turn,) = asked.taken()
    assert (turn.script.name, turn.work, turn.is_asked) == ("a", "run", True)
    assert asked.timetable.waiting == set()
    assert asked.timetable.upcoming == upcoming
    assert asked.missed == []


def test_while_its_script_runs_one_waits_at_most():
    asked = Asked()
    asked.ask("a")
    (first,) = asked.taken()
    assert asked.ask("a", 1)
    assert not asked.ask("a", 2)
    assert asked.ask("b", 3)
    assert [turn.script.name for turn in asked.taken()] == ["b"]
    asked.timetable.ended(first)
    (second,) = asked.taken()
    assert second.due == NOON + MINUTE
    asked.timetable.ended(second)
    assert asked.taken() == []


def test_a_run_and_a_plan_of_a_script_are_not_the_same():
    asked = Asked()
    assert asked.ask("a")
    assert asked.ask("a", work="plan")
    assert not asked.ask("a", work="plan")
    assert [turn.work for turn in asked.taken()] == ["run"]


def test_a_script_that_is_due_while_its_asked_run_goes_overlaps_like_any_other():
    for overlap, why in (("skip", ["the last run is still going"]), ("queue", [])):
        asked = Asked(overlap=overlap)
        asked.ask("a", 59)
        (turn,) = asked.taken()
        asked.timetable.advance(NOON + 60 * MINUTE)
        assert [(miss.script, miss.why) for miss in asked.missed] == [("a", each) for each in why]
        assert [turn.script.name for turn in asked.taken()] == ["b"]
        asked.timetable.ended(turn)
        assert len(asked.taken()) == (overlap == "queue")


def test_who_waited_longest_begins_first():
    asked = Asked()
    asked.timetable.advance(NOON + 60 * MINUTE)
    asked.ask("b", 1, work="plan")
    asked.ask("a", 60.5)
    turns = [asked.timetable.take() for _ in range(2)]
    assert [(turn.script.name, turn.work, turn.is_asked) for turn in turns if turn] == [
        ("b", "plan", True),
        ("a", "run", False),
    ]


def test_a_plan_is_applied_while_none_of_its_scripts_runs_and_only_once_at_a_time():
    asked = Asked()
    asked.ask("a")
    (running,) = asked.taken()
    assert asked.apply("p1", "a", "b", "gone")
    assert not asked.apply("p1", "a", "b", "gone")
    assert asked.apply("p2", "gone")
    (other,) = asked.taken()
    assert other.plan == "p2"
    asked.timetable.ended(running)
    assert asked.taken() == []
    asked.timetable.ended(other)
    (applied,) = asked.taken()
    assert applied.plan == "p1"
    assert not asked.apply("p1", "a", "b", "gone")
    asked.ask("b")
    assert asked.taken() == []
    asked.timetable.ended(applied)
    assert asked.apply("p1", "a", "b", "gone", minute=1)
    assert [turn.script.name for turn in asked.taken()] == ["b"]
