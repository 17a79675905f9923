"""/readyz: what keeps a server from being ready, and what does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from support.configs import load
from support.serving import config_in, served
from support.sites import FakeService, listening

from regbot.run.schedule import Every, Schedule
from regbot.serve.health import Readiness, late_at

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3600.0


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()


@pytest.mark.parametrize(
    ("schedule", "last", "late"),
    [
        ("0 2 * * *", "2026-06-01T02:05:00", "2026-06-03T02:05:00"),
        ("0 2 * * *", "2026-06-01T15:00:00", "2026-06-03T15:00:00"),
        ("0 2 * * *", "2026-06-01T02:00:00", "2026-06-03T02:00:00"),
        # over a weekend: Friday to Tuesday
        ("0 9 * * 1-5", "2026-06-05T09:10:00", "2026-06-09T09:10:00"),
        # when clocks change a day has 23 hours
        ("0 2 * * *", "2026-03-28T02:05:00", "2026-03-30T02:05:00"),
        ("@every 1h", "2026-06-01T02:05:00", "2026-06-01T04:05:00"),
    ],
)
def test_a_script_is_late_when_twice_its_gap_has_passed(schedule, last, late):
    assert late_at(Schedule.parse(schedule, PARIS), at(last), 0.0) == at(late)


def test_an_interval_and_its_jitter_count():
    assert late_at(Every(HOUR), 1000.0, 60.0) == 1000.0 + 2 * HOUR + 60.0


def test_a_schedule_of_leap_days_is_late_after_two_of_them():
    rule = Schedule.parse("0 2 29 2 *", PARIS)
    assert late_at(rule, at("2025-06-01T00:00:00"), 0.0) == at("2032-02-29T02:00:00")


def config(interval="1h", **server):
    scripts = f"scripts: [{{name: a, script: 'return 1', interval: {interval}}}]\n"
    tokens = "".join(f"  {key}: {text}\n" for key, text in server.items())
    return load(scripts + (f"server:\n{tokens}" if tokens else ""))


def state(config, *, last=None, last_success=None, running=()):
    (script,) = config.scripts
    runs = tuple(SimpleNamespace(started=started) for started in running)
    ended = SimpleNamespace(status=last) if last else None
    return SimpleNamespace(script=script, running=runs, last=ended, last_success=last_success)


def service_of(config, **fields):
    return FakeService(config, shown=(state(config, **fields),))


LATE = ["script a has had no success within twice its interval"]


def problems(readiness, service, now):
    return readiness.problems(service, now, names=True)


def test_a_script_that_had_no_time_yet_is_not_late():
    readiness, service = Readiness(1000.0), service_of(config())
    assert problems(readiness, service, 1000.0 + 2 * HOUR) == []
    assert problems(readiness, service, 1001.0 + 2 * HOUR) == LATE


def test_the_time_before_the_start_does_not_count():
    readiness, service = Readiness(1e6), service_of(config(), last_success=1000.0)
    assert problems(readiness, service, 1e6 + 1) == []


def test_a_success_makes_it_ready_and_a_run_that_goes_on_has_its_time():
    readiness, now = Readiness(1000.0), 1000.0 + 5 * HOUR
    assert problems(readiness, service_of(config()), now) == LATE
    assert problems(readiness, service_of(config(), last_success=now - HOUR), now) == []
    assert problems(readiness, service_of(config(), last_success=now - 3 * HOUR), now) == LATE
    assert problems(readiness, service_of(config(), running=[now - HOUR]), now) == []
    assert problems(readiness, service_of(config(), running=[now - 3 * HOUR]), now) == LATE


def test_a_run_that_is_going_hides_no_failures_before_it():
    readiness, now = Readiness(1000.0), 1000.0 + 5 * HOUR
    going = {"running": [now - HOUR / 2], "last_success": now - 3 * HOUR}
    assert problems(readiness, service_of(config(), last="failed", **going), now) == LATE
    assert problems(readiness, service_of(config(), last="interrupted", **going), now) == LATE
    assert problems(readiness, service_of(config(), last="done", **going), now) == []


def test_a_script_with_a_new_rule_has_time_anew():
    readiness, now = Readiness(1000.0), 1000.0 + 5 * HOUR
    assert problems(readiness, service_of(config()), now) == LATE
    changed = service_of(config("2h"))
    assert problems(readiness, changed, now) == []
    assert problems(readiness, changed, now + 4 * HOUR) == []
    assert problems(readiness, changed, now + 4 * HOUR + 1) == LATE


def test_a_script_that_is_not_enabled_is_never_late():
    off = load("scripts: [{name: a, script: 'return 1', interval: 1h, enabled: false}]")
    assert problems(Readiness(1000.0), service_of(off), 1e9) == []


def test_a_server_that_stops_is_not_ready():
    service = service_of(config())
    service.stop.ask()
    assert problems(Readiness(1000.0), service, 1000.0) == ["it is stopping"]


def test_without_a_config_in_force_it_is_not_ready():
    assert problems(Readiness(1000.0), FakeService(), 1000.0) == ["no config is in force"]


def test_state_that_can_not_be_written_is_told_unless_nothing_is_recorded():
    unwritable = ["the state can't be written"]
    readiness, service = Readiness(1000.0), service_of(config())
    assert problems(readiness, service, 1000.0) == []
    assert problems(readiness, replace(service, is_dry_run=False), 1000.0) == unwritable
    journal = SimpleNamespace(is_writable=False)
    recorded = replace(service, is_dry_run=False, journal=journal)
    assert problems(readiness, recorded, 1000.0) == unwritable
    journal.is_writable = True
    assert problems(readiness, recorded, 1002.0) == unwritable
    assert problems(readiness, recorded, 1006.0) == []


def test_a_server_says_when_its_state_can_not_be_written_any_more(tmp_path):
    text = "scripts: [{name: a, script: 'return 1', interval: 1h}]"
    with (
        served(config_in(tmp_path, text)) as (service, _),
        listening(service) as place,
    ):
        answer = place.get("/readyz")
        assert (answer.status_code, answer.text) == (200, "ready\n")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        shutil.rmtree(tmp_path / "state")
    with (
        served(config_in(tmp_path, text)) as (service, _),
        listening(service) as place,
    ):
        shutil.rmtree(tmp_path / "state")
        answer = place.get("/readyz")
        assert answer.status_code == 503
        assert answer.text == "not ready\nthe state can't be written\n"
        assert place.get("/healthz").status_code == 200


def test_a_script_is_named_only_where_everybody_may_read():
    for tokens, line in (
        ({}, LATE[0]),
        (
            {"readToken": "0123456789abcdef"},
            "a script has had no success within twice its interval",
        ),
    ):
        clock = iter([0.0, 3 * HOUR])
        with listening(service_of(config(**tokens)), now=clock.__next__) as place:
            answer = place.get("/readyz", headers={"Host": "a.pod.example.org"})
            assert answer.status_code == 503
            assert answer.text == f"not ready\n{line}\n"
