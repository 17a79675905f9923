"""Which scripts the scheduler begins, and what it says of those it does not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from support.configs import load

from regbot.errors import StorageError
from regbot.events import Event, Message, RunMissed
from regbot.run.schedule import Every
from regbot.run.scheduler import Scheduler
from regbot.run.timetable import Turn
from regbot.stopping import Stop

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_run_that_waits_for_its_turn_is_not_said_to_be_going():
    """Both scripts are due at 1 s and at 2 s; one runs at a time, until the stop at 3 s."""
    config = load(
        """
        scripts:
          - {name: long, script: return, interval: 1s}
          - {name: queued, script: return, interval: 1s}
        """
    )
    began, go = threading.Event(), threading.Event()
    second = 0
    skipped: dict[str, str] = {}

    def sleep(asked: threading.Event, _seconds: float) -> bool:
        nonlocal second
        second += 1
        if second == 2:
            assert began.wait(60)
        if second == 3:
            stop.ask()
        return asked.is_set()

    def run(_turn: Turn) -> None:
        began.set()
        go.wait(60)

    def hear(event: Event) -> None:
        if isinstance(event, RunMissed):
            skipped[event.script] = event.why
        if isinstance(event, Message) and event.text.startswith("stopping"):
            go.set()

    stop = Stop(sleep=sleep)
    Scheduler(
        [(script, Every(1.0)) for script in config.scripts],
        run,
        parallel=1,
        stop=stop,
        emit=hear,
        now=lambda: BEGIN + timedelta(seconds=second),
    ).serve()
    assert skipped == {
        "long": "the last run is still going",
        "queued": "the last run waits for its turn",
    }


def test_a_run_that_waits_begins_when_another_has_ended_in_any_way():
    """Both scripts are due at 1 s; the first fails, and the clock stands still meanwhile."""
    config = load(
        """
        scripts:
          - {name: first, script: return, interval: 1s}
          - {name: second, script: return, interval: 1s}
        """
    )
    second_began = threading.Event()
    now = BEGIN
    heard: list[Event] = []

    def sleep(asked: threading.Event, seconds: float) -> bool:
        nonlocal now
        if now > BEGIN:
            assert second_began.wait(60)
            stop.ask()
        now += timedelta(seconds=seconds)
        return asked.is_set()

    def run(turn: Turn) -> None:
        if turn.script.name == "first":
            raise StorageError("no luck")
        second_began.set()

    stop = Stop(sleep=sleep)
    Scheduler(
        [(script, Every(1.0)) for script in config.scripts],
        run,
        parallel=1,
        stop=stop,
        emit=heard.append,
        now=lambda: now,
    ).serve()
    assert Message("error", "run failed: no luck", {"script": "first"}) in heard
