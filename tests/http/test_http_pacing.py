"""The pace of a host, on a clock that only waiting moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.httpclient import plain, web
from support.scripted import Said, scripted

from regbot.errors import ScriptTimeout, Stopped
from regbot.events import Delayed, Emit, Event, PullsLeft, ignore
from regbot.http.pacing import Pace, Patience, Surroundings, parse_retry_after
from regbot.http.slots import Holders, Slots
from regbot.stopping import Stop


class World:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[Event] = []

    def wait(self, stop: Stop, seconds: float) -> None:
        stop.check()
        self.now += seconds

    def surroundings(self) -> Surroundings:
        return Surroundings(
            lambda: self.now, lambda: self.now, self.wait, lambda: 1.0, self.events.append
        )


def pace(world: World, rate: float = 0.0) -> Pace:
    return Pace("r.example", world.surroundings(), rate=rate, patience=Patience(5, 1.0, 30.0))


def test_requests_per_second_space_requests_out() -> None:
    """Config: ``reqPerSec: 0.5``."""
    world = World()
    own = pace(world, rate=0.5)
    assert [own.start(Stop(), world.events.append) for _ in range(3)] == [100.0, 102.0, 104.0]
    assert world.events[0] == Delayed("r.example", 2.0, "requests per second")


def test_without_a_rate_nothing_waits() -> None:
    """Config: absent or 0: no rate."""
    world = World()
    own = pace(world)
    assert [own.start(Stop()) for _ in range(3)] == [100.0] * 3


def test_failures_double_the_wait_and_successes_halve_it() -> None:
    """Back-off slows the host down and speeds it up again."""
    world = World()
    own = pace(world)
    waits = []
    for _ in range(4):
        began = own.start(Stop())
        own.failed(began, "status 503")
        before = world.now
        own.start(Stop())
        waits.append(world.now - before)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    for _ in range(4):
        own.succeeded()
    own.start(Stop())
    now = world.now
    assert own.start(Stop()) == now


def test_a_failure_slows_every_thread_of_the_host() -> None:
    """Back-off is of the whole host."""
    world = World()
    own = pace(world)
    own.failed(own.start(Stop()), "status 429")
    assert own.start(Stop()) == 101.0
    assert own.start(Stop()) == 102.0


def test_requests_that_failed_together_count_once() -> None:
    world = World()
    own = pace(world)
    began = [own.start(Stop()) for _ in range(16)]
    world.now += 0.5
    for start in began:
        own.failed(start, "status 503")
    assert own.start(Stop()) == 101.5


def test_retry_after_is_obeyed_up_to_five_minutes() -> None:
    """PITFALLS: 429 may carry ``Retry-After``."""
    world = World()
    own = pace(world)
    own.failed(own.start(Stop()), "status 429", 60.0)
    assert own.start(Stop()) == 160.0
    own.failed(160.0, "status 429", 86400.0)
    assert own.start(Stop()) == 460.0


def test_the_longest_wait_is_bounded() -> None:
    world = World()
    own = pace(world)
    for _ in range(40):
        own.failed(own.start(Stop()), "status 503")
    before = world.now
    own.start(Stop())
    assert world.now - before == 30.0


def test_a_stop_ends_the_wait() -> None:
    """Law: SIGTERM and Ctrl-C end any run."""
    world = World()
    own = pace(world)
    own.failed(own.start(Stop()), "status 503", 100.0)
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        own.start(stop)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        (formatdate(1_000_090, usegmt=True), 90.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("Mon, 12 Jan 1970 13:48:10 -0000", 90.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_in_both_forms(value: str, seconds: float | None) -> None:
    """PITFALLS: ``Retry-After`` as seconds or as an HTTP date."""
    assert parse_retry_after(value, 1_000_000.0) == seconds


@given(st.text(max_size=60) | st.text("0123456789 :,GMTJan-+", max_size=40))
def test_rubbish_in_retry_after_does_not_crash(text: str) -> None:
    seconds = parse_retry_after(text, 1_000_000.0)
    assert seconds is None or seconds >= 0


def other_thread(call: object) -> None:
    thread = threading.Thread(target=call)  # type: ignore[arg-type]
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def once(slots: Slots, stop: Stop | None = None, emit: Emit = ignore) -> Callable[[], None]:
    """Takes a slot and gives it back."""

    def take() -> None:
        give_back = slots.take(stop or Stop(timeout=30), emit)
        give_back()

    return take


def test_a_slot_is_waited_for_by_other_threads() -> None:
    """Config: ``reqConcurrent``."""
    world = World()
    slots = Slots("r.example", 1, lambda: world.now, Holders())
    give_back = slots.take(Stop())
    refused: list[BaseException] = []
    stop = Stop(timeout=0.3)

    def want() -> None:
        with pytest.raises(ScriptTimeout) as caught:
            slots.take(stop)
        refused.append(caught.value)

    other_thread(want)
    assert len(refused) == 1
    give_back()
    other_thread(once(slots))


def test_a_thread_that_holds_a_slot_never_waits_for_another() -> None:
    world = World()
    holders = Holders()
    one = Slots("a.example", 1, lambda: world.now, holders)
    two = Slots("b.example", 1, lambda: world.now, holders)
    stop = Stop(timeout=30)
    taken = [one.take(stop), two.take(stop), one.take(stop)]
    for give_back in taken:
        give_back()
    other_thread(once(one))


class Watched(Stop):
    """Tells when somebody found that there is something to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()

    def check(self) -> None:
        self.waiting.set()
        super().check()


def test_waiting_for_a_slot_is_told() -> None:
    world, stop = World(), Watched()
    slots = Slots("r.example", 1, lambda: world.now, Holders())
    give_back = slots.take(Stop())
    thread = threading.Thread(target=once(slots, stop, world.events.append))
    thread.start()
    assert stop.waiting.wait(30)
    give_back()
    thread.join()
    assert [x.why for x in world.events if isinstance(x, Delayed)] == ["1 requests at once"]


def test_requests_that_did_not_reach_the_host_together_count_once() -> None:
    """Sixteen at once are no reason to give up before the pauses between the tries."""
    world = World()
    host = pace(world)
    for tries in range(1, 6):
        began = [host.start(Stop())] * 16
        world.now += 0.1
        for start in began:
            host.unreached(start, "connection refused")
        assert bool(host.absence) == (tries == 5)


def test_nobody_waits_for_an_absent_host() -> None:
    world = World()
    host = pace(world)
    for _ in range(5):
        host.unreached(host.start(Stop()), "connection refused")
    now = world.now
    assert [host.start(Stop()) for _ in range(3)] == [now] * 3


def test_a_late_answer_ends_the_absence() -> None:
    """Of a request that was under way while others did not reach the host."""
    world = World()
    host = pace(world)
    for _ in range(5):
        host.unreached(host.start(Stop()), "connection refused")
    host.succeeded()
    assert host.absence == ""


def test_a_wait_says_whether_the_host_asked_for_it() -> None:
    """Metrics count back-off, and not a rate that the config sets."""
    world = World()
    by_rate, failing = pace(world, rate=0.5), pace(world)
    for _ in range(2):
        by_rate.start(Stop(), world.events.append)
    failing.failed(failing.start(Stop()), "status 429", 3.0)
    failing.start(Stop(), world.events.append)
    assert [event.is_backoff for event in world.events if isinstance(event, Delayed)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("header", "count"),
    [
        ("76;w=21600", 76),
        (" 0 ", 0),
        ("5, 3", 5),
        ("", None),
        ("many", None),
        ("-1", None),
        ("7.5", None),
        ("9" * 5000, None),
    ],
)
def test_how_many_pulls_are_left_is_told_where_a_registry_says_it(header, count) -> None:
    """``RateLimit-Remaining``, as Docker Hub sends it."""
    answer = Said(200, {"RateLimit-Remaining": header}, b"x")
    with scripted(lambda _: answer) as server, web(plain(server.host)) as client:
        client.get(server.host, "/v2/a")
        told = [event for event in client.events if isinstance(event, PullsLeft)]
        assert told == ([] if count is None else [PullsLeft(server.host, count)])
