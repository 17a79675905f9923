"""What the runs of a process share, and what a run leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from regbot.errors import StorageError
from regbot.events import Emit, Event
from regbot.http.exchange import Exchange
from regbot.image.deliveries import Deliveries
from regbot.journal.place import DatabaseUrl, State
from regbot.journal.slot import JournalSlot
from regbot.lua import sandbox
from regbot.lua.processes import Process, start
from regbot.plan.outcome import ActionDone, Outcomes
from regbot.plan.turns import Turns
from regbot.plan.uses import InUse
from regbot.rules.in_use.settings import InUseSettings
from regbot.stopping import Stop
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStores
from regbot.store.views import Reading
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import Call
    from regbot.journal.shared import SharedState
    from regbot.lua.binding import Passed
    from regbot.rules.in_use.answers import Answers

Answered = Callable[["Call", "Passed", ReadStores], None]
"""Is given what a call gave, with the stores in which there may be more of it to read."""


def ignore_answer(_call: Call, _result: Passed, _stores: ReadStores) -> None:
    """An Answered that wants to know nothing."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """What a test puts in the place of the world, for dry runs.

    ``stores`` are read in place of registries and layout folders, ``now`` is what the
    clocks of the script and of its guard stand at, in seconds since 1970. ``in_use`` says
    what is in use.
    """

    stores: ReadStores
    now: float
    in_use: InUse
    covered: sandbox.Covered | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What the runs of a process share.

    ``parallel`` is how many repositories of a script are worked on at once.
    ``bind`` gives the exchange of a run, and ``emit`` is told what the run does;
    ``environment`` is where ``os.getenv`` finds the names a script may ask for;
    ``blob_limit`` is in bytes. ``evidence``: what is deleted is looked at for a report.
    ``journal`` gives the run's journal, and ``answers`` what is in use.
    ``turns`` says which script may change a repository. ``deliveries`` are those of a run.
    ``shared`` is what the process has of a state that others share, too; None for a folder,
    and ``trouble`` is why it can't be used.
    ``overlay`` is what the scripts of a dry run plan together. ``whole``: in a dry run a
    script that fails plans nothing, as where it has a guard; else what it planned before
    counts, since a live run would have done it. ``reading`` says how registries are read.
    ``answered`` is given what the calls of a command gave.
    """

    bind: Callable[[Stop, Emit], Exchange]
    emit: Emit
    outcomes: Outcomes
    environment: Mapping[str, str]
    flavour: str
    blob_limit: int
    parallel: int = 1
    dry_run: bool = False
    evidence: bool = False
    journal: JournalSlot | None = None
    turns: Turns = field(default_factory=Turns)
    deliveries: Deliveries = field(default_factory=Deliveries)
    shared: SharedState | None = None
    trouble: StorageError | None = None
    answers: Answers | None = None
    overlay: OverlayStores | None = None
    whole: bool = False
    reading: Reading = Reading()
    start_process: Callable[[], Process] = start
    answered: Answered = ignore_answer
    fixture: Fixture | None = None

    def exchange(self, stop: Stop) -> Exchange:
        """The exchange of this run, until the Stop ends it."""
        return self.bind(stop, self.emit)

    def leased(self, stop: Stop) -> tuple[Services, Stop]:
        """These services and a Stop for one run that may change something.

        Where the state is shared with other machines, the run ends with the lease that this
        process has now, and takes its turns with all of them. Where the state can't be
        reached, no session of the run opens.
        """
        if self.shared is None or self.dry_run:
            return self, stop
        try:
            leased, turns = self.shared.leases.leased(), self.shared.turns
        except StorageError as error:
            return replace(self, trouble=error), stop
        return replace(self, turns=turns), stop.for_attempt(leased)

    def require_state(self) -> None:
        """Raise a StorageError for a run that may change nothing, since it has no lease."""
        if self.trouble:
            raise self.trouble

    def in_use(self, settings: InUseSettings, stop: Stop) -> InUse | None:
        """What is in use by a script's settings, or by a test."""
        if self.fixture:
            return self.fixture.in_use
        return self.answers.of(settings, stop) if self.answers else None

    def now(self) -> float:
        """The time for scripts, rules and guards, in seconds since 1970."""
        return self.fixture.now if self.fixture else time.time()

    def for_trial(self) -> Services:
        """The same for a dry run whose outcomes are kept private."""
        emit = _as_trial(self.emit)
        return replace(self, dry_run=True, outcomes=Outcomes(), overlay=None, emit=emit)


def open_shared(state: State | None) -> SharedState | None:
    """What this process has of a state that others share; None for a folder.

    Call it once, where the parts of the process are put together. Raises UsageError.
    """
    if not isinstance(state, DatabaseUrl):
        return None
    from regbot.journal.shared import SharedState, require_packages

    require_packages()
    return SharedState(state)


def _as_trial(emit: Emit) -> Emit:
    """A listener that is told what was planned as what is yet to be judged."""

    def tell(event: Event) -> None:
        if isinstance(event, ActionDone) and event.outcome.status == "planned":
            event = replace(event, is_trial=True)
        emit(event)

    return tell
