"""Which workers may change a repository together, and in what order the others come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.journal.claims import Claims
from regbot.plan.turns import Change

WORKERS = st.sampled_from(["a", "b", "c", "d"])
CHANGES = st.sampled_from(["puts", "deletes", "alone"])
STEPS = st.lists(st.tuples(WORKERS, CHANGES, st.booleans()), max_size=40)


def after(steps: list[tuple[str, Change, bool]]) -> list[Claims]:
    """The claims after each step: a worker asks, again where it waits, or goes."""
    claims, wanted = Claims(), dict[str, Change]()
    seen = [claims]
    for worker, change, goes in steps:
        if goes or worker in claims.have:
            claims = claims.without((worker,))
            wanted.pop(worker, None)
        else:
            claims = claims.asked_by(worker, wanted.setdefault(worker, change))
        seen.append(claims)
    return seen


@given(STEPS)
def test_no_two_workers_do_what_does_not_go_together(
    steps: list[tuple[str, Change, bool]],
) -> None:
    for claims in after(steps):
        assert len(claims.have) <= 1 or claims.change != "alone"
        assert not set(claims.have) & {worker for worker, _ in claims.waiting}
        assert len(claims.workers) == len(claims.have) + len(claims.waiting)


@given(STEPS)
def test_who_waits_keeps_its_place(steps: list[tuple[str, Change, bool]]) -> None:
    for before, now in pairwise(after(steps)):
        there = {worker for worker, _ in now.waiting}
        stayed = [worker for worker, _ in before.waiting if worker in there]
        assert [worker for worker, _ in now.waiting][: len(stayed)] == stayed


@given(STEPS)
def test_everybody_has_its_turn_when_the_others_have_gone(
    steps: list[tuple[str, Change, bool]],
) -> None:
    claims = after(steps)[-1].without(after(steps)[-1].have)
    while claims.waiting:
        worker, change = claims.waiting[0]
        claims = claims.asked_by(worker, change)
        assert worker in claims.have
        claims = claims.without((worker,))
    assert claims.workers == frozenset()


@given(STEPS)
def test_claims_come_back_as_they_were_kept(steps: list[tuple[str, Change, bool]]) -> None:
    for claims in after(steps):
        assert Claims.from_text(claims.to_text()) == claims


def test_nobody_is_overtaken_by_who_does_something_else() -> None:
    claims = Claims().asked_by("a", "deletes").asked_by("b", "puts")
    claims = claims.asked_by("c", "deletes")
    assert (claims.have, [worker for worker, _ in claims.waiting]) == (("a",), ["b", "c"])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"change": "x", "have": [], "waiting": []}', '{"change": "puts"}']
)
def test_what_are_no_claims_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Claims.from_text(text)
