"""The times at which a process starts requests, out of those that it leased."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.run.limits.times import Lease, Times

NEVER = float("-inf")
RATE = 20.0
GAP = 1 / RATE


def times(count: int, starts: float = 100.0, *, is_alone: bool = False) -> Times:
    leased = Times()
    leased.add(Lease(starts, GAP, count, is_alone))
    return leased


def test_requests_start_one_after_the_other():
    leased = times(3)
    assert [leased.take(100.0, NEVER) for _ in range(4)] == [100.0, 100.05, 100.1, None]


def test_a_time_that_is_over_is_lost():
    leased = times(3)
    assert leased.take(100.07, NEVER) == 100.07
    assert leased.take(100.07, NEVER) == 100.1
    assert times(3).take(100.2, NEVER) is None


def test_no_request_starts_while_the_host_is_left_alone():
    leased = times(3)
    assert leased.take(100.0, 100.06) == 100.1
    assert leased.take(100.0, 100.2) is None


def test_there_is_none_before_the_first_lease():
    assert Times().take(100.0, NEVER) is None
    assert Times().count(RATE, 0, goes_on=True) == 1


def test_as_many_are_leased_as_threads_wait_but_no_more_than_a_quarter_of_a_second():
    assert [Times().count(RATE, waiting, goes_on=True) for waiting in (0, 1, 3, 9)] == [1, 1, 3, 5]
    assert Times().count(0.5, 9, goes_on=True) == 1


def test_who_uses_all_leases_more():
    leased = times(1)
    leased.take(100.0, NEVER)
    assert leased.take(100.01, NEVER) is None
    assert leased.count(RATE, 1, goes_on=True) == 2


def test_who_may_lose_its_slot_leases_no_more_than_it_needs_now():
    leased = times(4)
    for _ in range(4):
        leased.take(100.0, NEVER)
    assert leased.take(100.0, NEVER) is None
    assert leased.count(RATE, 2, goes_on=False) == 2


def test_who_comes_too_late_for_more_leases_as_many_as_it_used():
    leased = times(4)
    leased.take(100.0, NEVER)
    leased.take(100.1, NEVER)
    assert leased.take(100.2, NEVER) is None
    assert leased.count(RATE, 1, goes_on=True) == 2


def test_who_is_alone_may_lose_times():
    leased = times(2, is_alone=True)
    leased.take(100.0, NEVER)
    assert leased.take(100.2, NEVER) is None
    assert leased.count(RATE, 1, goes_on=True) == 4


@given(st.floats(0.1, 2000), st.integers(1, 20), st.lists(st.floats(0, 2), max_size=60))
def test_no_request_comes_before_its_time(rate, count, waits):
    """Whenever they are wanted."""
    gap, now = 1 / rate, 100.0
    leased = Times()
    leased.add(Lease(100.0, gap, count, is_alone=False))
    started = 0
    for wait in waits:
        now += wait * gap
        if (time := leased.take(now, NEVER)) is not None:
            assert now <= time < 100.0 + count * gap + 1e-6
            assert time >= 100.0 + started * gap - 1e-6
            started += 1


class Simulated:
    """Processes that send one request after the other, in time that only they move.

    Each takes so many seconds an answer; all share the rate.
    """

    def __init__(self, answers: list[float], rate: float) -> None:
        self.rate = rate
        self.free_from = 0.0
        self.leases = 0
        self.leased = 0
        self.starts: list[float] = []
        self.processes = [(0.0, i, Times()) for i in range(len(answers))]
        self.answers = answers

    def lease(self, now: float, times: Times) -> None:
        count = times.count(self.rate, 1, goes_on=True)
        starts = max(self.free_from, now)
        self.free_from = starts + count / self.rate
        times.add(Lease(starts, 1 / self.rate, count, is_alone=len(self.answers) == 1))
        self.leases += 1
        self.leased += count

    def run(self, seconds: float) -> Simulated:
        while self.processes[0][0] < seconds:
            now, i, times = heapq.heappop(self.processes)
            if (start := times.take(now, NEVER)) is None:
                self.lease(now, times)
                start = times.take(now, NEVER)
            assert start is not None
            self.starts.append(start)
            heapq.heappush(self.processes, (start + self.answers[i], i, times))
        return self


@pytest.mark.parametrize(
    "answers",
    [
        [0.002] * 4,
        [0.06] * 4,
        [0.1] * 4,
        [0.2] * 4,
        [0.002, 0.05, 0.1, 0.3],
        [0.4] * 12,
        [0.01] * 40,
    ],
)
def test_processes_that_want_more_than_there_is_use_nearly_all_of_it(answers):
    """Four fifths at least, whatever a registry takes to answer; and they never get more."""
    shared = Simulated(answers, RATE).run(60.0)
    starts = [start for start in sorted(shared.starts) if start < 60.0]
    assert len(starts) >= 0.8 * 60.0 * RATE
    for k, start in enumerate(starts):
        assert start >= k * GAP - 1e-6


def test_a_process_that_sends_quickly_asks_the_database_seldom():
    shared = Simulated([0.002] * 4, RATE).run(60.0)
    assert shared.leases <= len(shared.starts) / 4


def test_a_process_alone_at_a_host_asks_the_database_seldom():
    shared = Simulated([0.005], 1000.0).run(60.0)
    assert shared.leases <= len(shared.starts) / 40
    assert len(shared.starts) > 60 / 0.0065
