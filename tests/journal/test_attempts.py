"""Attempts at units that write to one run: the database knows which of them may."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from support.attempting import RUN, Place
from support.journals import PLACE, note, small

from regbot.errors import AttemptEnded
from regbot.journal.attempts import may_write
from regbot.journal.journal import Journal
from regbot.journal.runjournal import RunJournal
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.plan.action import DeleteTag
from regbot.plan.recorder import Beginning
from regbot.stopping import Attempt

FIRST, OTHER = "clean@team/app", "clean@team/other"


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = request.getfixturevalue("database_url") if request.param == "server" else ""
    place = Place(str(tmp_path / "state"), url)
    (tmp_path / "state").mkdir()
    with place.journal():
        place.prepare(FIRST, OTHER)
    return place


def attempt_at(place: Place, unit: str, number: int) -> Attempt:
    place.take(number, unit)
    return Attempt(unit, number, lambda: math.inf)


def joined(journal: Journal, attempt: Attempt) -> RunJournal:
    return journal.begin_run(
        kind="once", config="bot.yml", fingerprint="f00d", run_id=RUN, attempt=attempt
    )


@pytest.mark.parametrize("end", ["a newer attempt", "a cancelled run", "a unit that is gone"])
def test_an_attempt_that_has_ended_notes_nothing(place: Place, end: str) -> None:
    attempt = attempt_at(place, FIRST, 1)
    with place.journal() as journal:
        run = joined(journal, attempt)
        note(run, "clean", DeleteTag(PLACE), small(1))
        place.change(
            {
                "a newer attempt": "UPDATE unit SET attempt = 2",
                "a cancelled run": "UPDATE unit SET state = 'cancelled'",
                "a unit that is gone": "DELETE FROM unit",
            }[end]
        )
        with pytest.raises(AttemptEnded) as caught:
            note(run, "clean", DeleteTag(PLACE), small(2))
        assert str(caught.value) == (
            "attempt 1 at clean@team/app has ended: a newer one has begun, or its run was cancelled"
        )
        assert len(journal.actions(RUN)) == 1
    # All other parts of the attempt end as well, without another question.
    assert isinstance(attempt.reason(), AttemptEnded)


def test_an_attempt_that_has_ended_begins_no_run(place: Place) -> None:
    attempt = attempt_at(place, FIRST, 1)
    place.take(2, FIRST)
    with place.journal() as journal:
        with pytest.raises(AttemptEnded):
            joined(journal, attempt)
        assert journal.runs() == []


def test_attempts_at_several_units_write_to_one_run_and_none_ends_it(place: Place) -> None:
    settings = JournalSettings(Path(place.folder), math.inf, "bot.yml", "f00d")
    with place.journal() as journal:
        for unit in (FIRST, OTHER):
            slot = JournalSlot(
                settings, "once", journal, run_id=RUN, attempt=attempt_at(place, unit, 1)
            )
            slot.begin([Beginning("clean", DeleteTag(PLACE), small(1))])
            slot.finish("done")
        assert len(journal.actions(RUN)) == 2
        assert [run.ended for run in journal.runs()] == [None]


def test_what_others_write_at_the_same_time_is_written(place: Place) -> None:
    """Threads share a transaction, and an error in it would be everybody's."""
    ended, good = attempt_at(place, FIRST, 1), attempt_at(place, OTHER, 1)
    with place.journal() as journal, ThreadPoolExecutor(16) as threads:
        runs = {"ended": joined(journal, ended), "good": joined(journal, good)}
        place.take(2, FIRST)

        def write(number: int) -> bool:
            run = runs["good" if number % 2 else "ended"]
            try:
                note(run, "clean", DeleteTag(PLACE), small(number))
            except AttemptEnded:
                return False
            return True

        assert list(threads.map(write, range(64))) == [False, True] * 32
        assert len(journal.actions(RUN)) == 32


def test_who_takes_a_unit_waits_for_what_is_being_noted(database_url: str, tmp_path: Path) -> None:
    """An entry is there before the next attempt begins, or it is never written."""
    place = Place(str(tmp_path), database_url)
    place.prepare(FIRST)
    attempt = attempt_at(place, FIRST, 1)
    with (
        closing(place.opened()) as own,
        closing(place.opened()) as other,
        ThreadPoolExecutor(1) as thread,
    ):

        def note_slowly() -> bool:
            may = may_write(own, attempt)
            taking.append(thread.submit(take))
            while not own.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
                continue
            assert not taking[0].done()
            return may

        def take() -> int:
            return other.run("UPDATE unit SET attempt = attempt + 1 WHERE id = ?", (FIRST,))

        taking: list[Future[int]] = []
        assert own.together(note_slowly)
        assert taking[0].result(30) == 1
        assert not own.together(lambda: may_write(own, attempt))
