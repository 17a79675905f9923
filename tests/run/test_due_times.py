"""What the server says of the times its scripts are due."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from support.configs import load

from regbot.events import Event, Message
from regbot.run.schedule import Due, Every, Schedule
from regbot.run.scheduler import Scheduler
from regbot.stopping import Stop

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def announced(rule: Due) -> list[Message]:
    """What a server that is stopped at once says of one script."""
    (script,) = load("scripts: [{name: nightly, script: x(), interval: 1h}]").scripts
    heard: list[Event] = []
    stop = Stop()
    stop.ask()
    Scheduler(
        [(script, rule)],
        lambda turn: None,
        parallel=1,
        stop=stop,
        emit=heard.append,
        now=lambda: NOON,
    ).serve()
    return [each for each in heard if isinstance(each, Message) and each.text == "scheduled"]


def test_the_start_names_the_time_zone_that_decides():
    (said,) = announced(Schedule.parse("15 3 * * *", ZoneInfo("Europe/Paris")))
    assert said.level == "info"
    assert said.fields == {
        "script": "nightly",
        "next": "2026-07-02T03:15:00+02:00",
        "zone": "Europe/Paris",
    }


def test_an_interval_is_counted_in_utc():
    (said,) = announced(Every(3600))
    assert (said.fields["next"], said.fields["zone"]) == ("2026-07-01T13:00:00+00:00", "UTC")
