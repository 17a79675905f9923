"""One run on record: its journal, what is in use while it runs, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from regbot.errors import AttemptEnded, Stopped, StorageError
from regbot.events import (
    Emit,
    Ending,
    LeftBehind,
    Message,
    RunEnded,
    RunResult,
    RunStarted,
    fan_out,
    hearing,
    in_run,
    once_each,
)
from regbot.image.deliveries import Deliveries
from regbot.journal.naming import new_id
from regbot.journal.place import DatabaseUrl
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.run.services import Services
from regbot.stopping import Stop
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.rules.in_use.answers import Answers


@dataclass(slots=True)
class Recording:
    """A run on record. ``services`` are those of the run, with its journal.

    ``stop`` ends with the lease of the run, too. Who runs it sets ``results``, and finds in
    ``ended`` how it ended. Where workers changed something, ``changed_as`` is the id by which
    they noted it.
    """

    services: Services
    stop: Stop
    results: tuple[RunResult, ...] = ()
    changed_as: str = ""
    ended: RunEnded = field(init=False)

    def ending(self) -> Ending:
        """How it ends: as its scripts did, however many were cut off.

        Applying a plan has none: it failed if an action did.
        """
        statuses = {each.status for each in self.results or self.services.outcomes.all}
        if "failed" in statuses:
            return "failed"
        is_over = isinstance(self.stop.reason(), Stopped)
        is_cut_off = "stopped" in statuses if self.results else is_over
        return "stopped" if is_cut_off else "done"


@contextmanager
def recording(
    started: RunStarted,
    services: Services,
    settings: JournalSettings,
    answers_for: Callable[[Emit], Answers | None],
    stop: Stop,
    *,
    run_id: str = "",
    script: str = "",
    by_workers: bool = False,
) -> Iterator[Recording]:
    """One run with a journal of its own; how it ended is emitted.

    ``answers_for`` gives what is in use, if anything tells that. ``run_id`` is the run's
    id, where it has one already, and ``script`` the name of the only script in it. Both are
    told with each event of the run. ``by_workers``: this process needs no lease.
    """
    began, kind = time.monotonic(), started.kind
    run_id = run_id or new_id(time.time())
    if not by_workers:
        services, stop = services.leased(stop)
    slot = _slot(settings, kind, services, run_id)
    tell = in_run(services.emit, run_id, script)
    left_behind: list[LeftBehind] = []
    tell(started)
    emit = fan_out(once_each(tell), hearing(LeftBehind, left_behind.append))
    answers = answers_for(emit)
    run = Recording(
        replace(services, journal=slot, answers=answers, emit=emit, deliveries=Deliveries()), stop
    )
    status: Ending = "failed"
    try:
        yield run
        status = run.ending()
    except Stopped:
        status = "stopped"
        raise
    finally:
        if answers:
            answers.close()
        if status != "done" and isinstance(ended := stop.reason(), AttemptEnded):
            tell(Message("error", f"stopped: {ended}"))
        if slot:
            _finish(slot, status, tell)
        run.ended = RunEnded(
            kind,
            status,
            time.monotonic() - began,
            run.changed_as or (slot.run_id if slot else ""),
            services.dry_run,
            tuple(left_behind),
        )
        in_run(services.emit, run.ended.id or run_id, script)(run.ended)


def _slot(
    settings: JournalSettings, kind: str, services: Services, run_id: str
) -> JournalSlot | None:
    """The journal of a run; None where nothing is recorded."""
    if services.dry_run or settings.off:
        return None
    journal = None
    if services.shared and not services.trouble and isinstance(settings.state, DatabaseUrl):
        journal = services.shared.journal
    return JournalSlot(settings, kind, journal, run_id=run_id)


def _finish(slot: JournalSlot, status: Ending, emit: Emit) -> None:
    try:
        slot.finish(status)
    except StorageError as error:
        emit(Message("warn", f"the end of the run could not be recorded in the history: {error}"))
