"""Who may have how many requests open at a host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.run.limits.shares import TURN, Claim, has_too_few, share_of, smallest_rate


def claim(wanted: int, granted: int = 0, age: float = 0.0, **limits: float) -> Claim:
    return Claim(wanted, granted, age, **{"rate": 0.0, "at_once": 4, **limits})


def settled(claims: list[Claim], rounds: int = 8) -> list[int]:
    """What all have after each took its share some times, one after the other."""
    for _ in range(rounds):
        for i, mine in enumerate(claims):
            others = claims[:i] + claims[i + 1 :]
            claims[i] = replace(mine, granted=share_of(mine, others))
    return [each.granted for each in claims]


@pytest.mark.parametrize(
    ("wanted", "shares"),
    [
        ([9], [4]),
        ([2], [2]),
        ([0], [0]),
        ([9, 9], [2, 2]),
        ([9, 9, 9, 9], [1, 1, 1, 1]),
        ([1, 9], [1, 3]),
        ([9, 1, 1], [2, 1, 1]),
        ([0, 9], [0, 4]),
    ],
)
def test_all_get_the_same_and_nobody_more_than_it_wants(wanted, shares):
    assert settled([claim(each) for each in wanted]) == shares


def test_a_slot_is_free_only_when_another_process_gave_it_back():
    assert share_of(claim(4), [claim(4, granted=4)]) == 0
    assert share_of(claim(4), [claim(4, granted=3)]) == 1


def test_with_fewer_slots_than_processes_who_waits_longest_is_next():
    had = claim(1, granted=1, age=TURN, at_once=1)
    waits = claim(1, age=5.0, at_once=1)
    came_later = claim(1, age=1.0, at_once=1)
    assert share_of(had, [waits, came_later]) == 0
    gave_back = replace(had, granted=0, age=0.0)
    assert share_of(came_later, [gave_back, waits]) == 0
    assert share_of(waits, [gave_back, came_later]) == 1


def test_a_turn_lasts_a_while():
    """Else a slot would go round more often than it is used."""
    has = claim(1, granted=1, age=TURN / 2, at_once=1)
    assert share_of(has, [claim(1, age=60.0, at_once=1)]) == 1


def test_without_anybody_who_waits_a_turn_goes_on():
    has = claim(1, granted=1, age=60.0, at_once=1)
    assert share_of(has, [claim(0, at_once=1)]) == 1


def test_the_smallest_limits_of_all_configs_hold():
    """Two configs in one database may have different limits for a host."""
    assert settled([claim(9, at_once=32), claim(9, at_once=2)]) == [1, 1]
    assert smallest_rate([claim(1, rate=20.0), claim(1, rate=0.0), claim(1, rate=5.0)]) == 5.0
    assert smallest_rate([claim(1), claim(1)]) == 0.0


def test_slots_go_round_where_more_processes_want_one_than_there_are():
    assert has_too_few([claim(1), claim(9), claim(1, at_once=2)])
    assert not has_too_few([claim(1), claim(0), claim(9, at_once=2)])


CLAIMS = st.builds(
    Claim,
    wanted=st.integers(0, 50),
    granted=st.just(0),
    age=st.floats(0, 100),
    rate=st.just(0.0),
    at_once=st.integers(1, 40),
)


@given(st.lists(CLAIMS, min_size=1, max_size=9), st.lists(st.integers(0, 8), max_size=40))
def test_in_whatever_order_they_look_there_are_never_too_many(claims, order):
    """And once all have looked, all that are wanted or there are in use."""
    total = min(each.at_once for each in claims)

    def look(i: int) -> None:
        others = claims[:i] + claims[i + 1 :]
        claims[i] = replace(claims[i], granted=share_of(claims[i], others))
        assert sum(each.granted for each in claims) <= total
        assert claims[i].granted <= claims[i].wanted

    for i in order:
        look(i % len(claims))
    for _ in range(2):
        for i in range(len(claims)):
            look(i)
    in_use = sum(each.granted for each in claims)
    assert in_use == min(total, sum(each.wanted for each in claims)) or any(
        each.age >= TURN for each in claims
    )


@given(st.integers(1, 5), st.integers(2, 9))
def test_slots_go_round(total, processes):
    """Each process has its turn, however few slots there are."""
    claims = [claim(3, at_once=total) for _ in range(processes)]
    served: set[int] = set()
    for _ in range(4 * processes):
        for i, mine in enumerate(claims):
            granted = share_of(mine, claims[:i] + claims[i + 1 :])
            turned = (granted > 0) != (mine.granted > 0)
            claims[i] = replace(mine, granted=granted, age=0.0 if turned else mine.age)
            served |= {i} if granted else set()
            assert sum(each.granted for each in claims) <= total
        claims = [replace(each, age=each.age + TURN / 2) for each in claims]
    assert len(served) == processes
