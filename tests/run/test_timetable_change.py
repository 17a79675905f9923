"""A timetable that goes on with other scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from support.configs import load

from regbot.events import Event, RunMissed
from regbot.run.timetable import Timetable, Turn, due_rules

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Changing:
    """A timetable, and what it missed."""

    def __init__(self, *scripts):
        self.missed: list[tuple[str, str]] = []
        self.timetable = Timetable(self.rules(*scripts), NOON, self.hear, {})

    def hear(self, event: Event):
        assert isinstance(event, RunMissed)
        self.missed.append((event.script, event.why))

    def rules(self, *scripts):
        config = load(f"defaults: {{timezone: UTC}}\nscripts: [{', '.join(scripts)}]")
        self.scripts = {script.name: script for script in config.scripts}
        return due_rules(config)

    def change(self, *scripts):
        """The scripts that begin anew."""
        return [turn.script.name for turn in self.timetable.change(self.rules(*scripts))]

    def upcoming(self):
        return {turn.script.name: turn.due - NOON for turn in self.timetable.upcoming}


def every(name, interval, text="x()", **more):
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{name: {name}, script: {text}, interval: {interval}{extra}}}"


def test_a_script_with_the_same_schedule_keeps_its_time_and_runs_as_it_is_now():
    changing = Changing(every("a", "2h"), every("b", "2h"))
    changing.timetable.advance(NOON + HOUR)
    assert changing.change(every("a", "2h", "y()"), every("b", "3h")) == ["b"]
    assert changing.upcoming() == {"a": 2 * HOUR, "b": 4 * HOUR}
    changing.timetable.advance(NOON + 2 * HOUR)
    turn = changing.timetable.take()
    assert turn is not None
    assert turn.script == changing.scripts["a"]
    assert turn.script.text == b"y()"


def test_a_run_that_waits_goes_on_waiting_unless_its_schedule_is_another():
    changing = Changing(every("a", "1h"), every("b", "1h"), every("c", "1h"))
    changing.timetable.advance(NOON + HOUR)
    changing.change(every("a", "1h", "y()"), every("b", "2h"))
    assert changing.missed == [("b", "the script has another schedule now")]
    turn = changing.timetable.take()
    assert turn is not None
    assert (turn.script, turn.due) == (changing.scripts["a"], NOON + HOUR)
    assert changing.timetable.take() is None


def test_what_runs_is_not_touched_and_its_script_does_not_run_twice_at_once():
    changing = Changing(every("a", "1h"), every("b", "1h"))
    changing.timetable.advance(NOON + HOUR)
    going = changing.timetable.take()
    assert going is not None
    assert going.script.name == "a"
    changing.change(every("b", "1h"))
    changing.change(every("b", "1h"), every("a", "1h", overlap="queue"))
    changing.timetable.advance(NOON + 2 * HOUR)
    other = changing.timetable.take()
    assert other is not None
    assert other.script.name == "b"
    assert changing.timetable.take() is None
    changing.timetable.ended(going)
    again = changing.timetable.take()
    assert again is not None
    assert again.script.name == "a"


def test_what_was_asked_for_waits_for_its_script_as_it_is_now():
    changing = Changing(every("a", "1h"), every("b", "1h"))
    for name in ("a", "b"):
        script = changing.scripts[name]
        changing.timetable.ask(Turn(script, NOON, NOON, is_asked=True))
    applying = Turn(changing.scripts["b"], NOON, NOON, "apply", is_asked=True, plan="p")
    changing.timetable.ask(applying)
    changing.change(every("a", "1h", "y()"))
    assert [changing.timetable.take(), changing.timetable.take(), changing.timetable.take()] == [
        Turn(changing.scripts["a"], NOON, NOON, is_asked=True),
        applying,
        None,
    ]


def test_another_jitter_moves_the_run_and_not_its_due_time():
    changing = Changing(every("a", "1h"))
    changing.change(every("a", "1h", jitter="10m"))
    (turn,) = changing.timetable.upcoming
    assert turn.due == NOON + HOUR
    assert turn.at >= turn.due
    changing.change(every("a", "1h"))
    (turn,) = changing.timetable.upcoming
    assert turn.at == turn.due
