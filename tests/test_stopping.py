"""A stop is asked once for all that shares it, and all of it has ended after its grace."""

from __future__ import annotations

import math

import pytest

from regbot.errors import ScriptTimeout, Stopped
from regbot.stopping import FINISHED_BY, Stop


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
