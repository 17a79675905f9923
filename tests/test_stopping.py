"""A stop is asked once for all that shares it, and all of it has ended after its grace."""

from __future__ import annotations

import math
import threading
import time

import pytest

from regbot.errors import AttemptEnded, ScriptTimeout, Stopped
from regbot.stopping import FINISHED_BY, Attempt, Stop, ended_by, time_with_sleep


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_grace_begins_when_somebody_asks_first(clock):
    stop = Stop(grace=10.0, clock=clock)
    assert stop.left() == math.inf
    stop.ask()
    clock.now += 4
    stop.ask()
    assert (stop.left(), stop.left(0.5), stop.left(0.3)) == (6.0, 1.0, 0.0)


def test_a_script_and_its_server_are_asked_together(clock):
    server = Stop(grace=10.0, clock=clock)
    script = server.within(60.0)
    server.ask()
    assert isinstance(script.reason(), Stopped)
    assert (script.grace, script.left()) == (10.0, 10.0)


def test_what_must_not_be_left_half_done_goes_on_for_a_part_of_the_grace(clock):
    stop = Stop(timeout=5.0, grace=10.0, clock=clock)
    finishing = stop.to_finish(60.0, FINISHED_BY)
    clock.now += 50
    finishing.check()
    stop.ask()
    assert finishing.remaining == 9.0
    clock.now += 8.9
    finishing.check()
    clock.now += 0.2
    with pytest.raises(ScriptTimeout, match="there was no time left to finish"):
        finishing.check()


def test_nor_does_it_go_on_for_ever_when_nobody_asks(clock):
    finishing = Stop(clock=clock).to_finish(60.0, FINISHED_BY)
    clock.now += 61
    assert isinstance(finishing.reason(), ScriptTimeout)


def test_what_begins_late_has_what_is_left(clock):
    stop = Stop(grace=10.0, clock=clock)
    stop.ask()
    clock.now += 7
    assert stop.to_finish(60.0, FINISHED_BY).remaining == 2.0


class Lease:
    """A lease that ends when the test says; ``until`` may move."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.until = self.clock.now + 30

    @property
    def attempt(self) -> Attempt:
        return Attempt("clean@team/app", 2, lambda: self.until, self.clock)


def test_an_attempt_ends_with_its_lease_and_says_so(clock):
    lease = Lease()
    stop = Stop(clock=clock).for_attempt(lease.attempt)
    stop.check()
    lease.clock.now += 30
    with pytest.raises(AttemptEnded) as caught:
        stop.check()
    assert str(caught.value) == (
        "attempt 2 at clean@team/app has ended: the lease of its worker is over"
    )
    assert ended_by(caught.value) == "stopped"


def test_a_lease_that_is_renewed_in_time_goes_on(clock):
    lease = Lease()
    stop = Stop(clock=clock).for_attempt(lease.attempt)
    for _ in range(10):
        lease.clock.now += 20
        lease.until += 20
        stop.check()


def test_what_was_once_ended_stays_so(clock):
    """A renewal that comes too late gives the unit to nobody who had it before."""
    lease = Lease()
    stop = Stop(clock=clock).for_attempt(lease.attempt)
    lease.clock.now += 30
    assert isinstance(stop.reason(), AttemptEnded)
    lease.until += 1000
    assert isinstance(stop.reason(), AttemptEnded)


@pytest.mark.parametrize("of", ["a script", "what must not be left half done"])
def test_no_part_of_a_run_outlives_its_attempt(clock, of):
    lease = Lease()
    stop = Stop(clock=clock).for_attempt(lease.attempt)
    part = stop.within(1000.0) if of == "a script" else stop.to_finish(1000.0, FINISHED_BY)
    stop.ask()
    lease.clock.now += 30
    assert isinstance(part.reason(), AttemptEnded)
    with pytest.raises(AttemptEnded):
        part.wait(0)
    with pytest.raises(AttemptEnded):
        part.check_attempt()


def test_what_has_begun_may_be_finished_after_a_request_to_stop(clock):
    stop = Stop(timeout=1.0, clock=clock).for_attempt(Lease().attempt)
    stop.ask()
    stop.check_attempt()
    Stop().check_attempt()


def test_a_run_keeps_its_timeout_under_a_lease(clock):
    stop = Stop(timeout=60.0, clock=clock, late="too slow").for_attempt(Lease().attempt)
    clock.now += 60
    with pytest.raises(ScriptTimeout, match="too slow"):
        stop.check()


def test_the_end_of_a_lease_is_no_timeout(clock):
    """A request may take longer than a lease, as long as that is renewed."""
    stop = Stop(clock=clock).for_attempt(Lease().attempt)
    assert (stop.remaining, stop.late) == (None, "")
    assert stop.within(1000.0).remaining == 1000.0


def test_who_sleeps_wakes_up_when_the_attempt_ends():
    lease, naps = Lease(), []

    def sleep(_event: threading.Event, seconds: float) -> None:
        naps.append(seconds)
        lease.clock.now += seconds

    stop = Stop(sleep=sleep).for_attempt(lease.attempt)
    with pytest.raises(AttemptEnded):
        stop.wait(3600)
    assert sum(naps) == 30
    lease = Lease()
    Stop(sleep=sleep).for_attempt(lease.attempt).wait(7.2)
    assert sum(naps) == pytest.approx(37.2)


def test_a_wall_clock_that_jumps_ends_no_attempt(monkeypatch):
    """The system's date may be set at any time; what counts is how much time has passed."""
    now = time_with_sleep()
    attempt = Attempt("clean", 1, lambda: now + 3600)
    for jump in (-86400, 86400):
        wall = time.time()
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda at=wall + jump: at)
            assert attempt.reason() is None
            assert 0 < attempt.left <= 3600


def test_a_machine_that_slept_finds_its_attempt_ended():
    lease = Lease()
    attempt = lease.attempt
    lease.clock.now += 8 * 3600
    assert isinstance(attempt.reason(), AttemptEnded)
    assert attempt.left == 0.0


def test_time_goes_on_where_the_system_counts_no_sleep(monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    began = time_with_sleep()
    assert began <= time_with_sleep() <= began + 3600
