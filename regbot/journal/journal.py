"""The journal: what every run changed, and the manifests it deleted, so that undo works.

It has a history in a database, the saved manifests, and the names of what is in progress:
``<id>`` for a run, ``<id>.script`` for a run of a script, ``<id>.plan`` for a plan that is
being applied, in a database ``<config>.server`` for its servers. Several runs may write at the
same time, each by its ``runjournal``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from regbot.image.parts import blobs_of
from regbot.journal.attempts import TAKEN_OVER
from regbot.journal.courses import Courses
from regbot.journal.database import Database, storable
from regbot.journal.history import History
from regbot.journal.keeping import KEPT, keep_for
from regbot.journal.manifests import Manifests
from regbot.journal.naming import new_id
from regbot.journal.place import State
from regbot.journal.records import (
    ActionRecord,
    Forgotten,
    PlanRecord,
    PlanState,
    RunRecord,
    SavedManifest,
)
from regbot.journal.runjournal import RunJournal, WallClock
from regbot.journal.running import Running
from regbot.journal.runpages import RunPages
from regbot.journal.scriptruns import ScriptRuns
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.stopping import Attempt
from regbot.store.layout import absolute

_TEMPORARY_FOR = 3600.0
"""Seconds after which an unfinished file of a manifest is removed."""
_AT_ONCE = 50
"""Manifests to remove in one transaction."""


class Journal:
    """The journal of a ``state``. Threads may share it; ``opening.open_journal`` makes one."""

    def __init__(
        self,
        state: State,
        database: Database,
        manifests: Manifests,
        running: Running,
        clock: WallClock = time.time,
        courses: Courses | None = None,
    ) -> None:
        """``courses`` are the runs that workers share, where the state is in a database."""
        self.state = state
        self._clock = clock
        self.database = database
        self.manifests = manifests
        self._running = running
        self._courses = courses
        self._history = History(database, running, self._is_applying)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the history. Runs begun here and not finished count as interrupted."""
        self._running.close()
        self._history.close()

    @property
    def is_writable(self) -> bool:
        """Whether it can be written to now."""
        return self.database.is_writable

    def begin_run(
        self,
        *,
        kind: str,
        config: str,
        fingerprint: str,
        keep: float | None = None,
        run_id: str = "",
        attempt: Attempt | None = None,
    ) -> RunJournal:
        """Begin a run. Its id is the one given, or the time in UTC and a few random digits.

        It is to ``keep`` for so many seconds; None leaves that to a later run of its config.
        An ``attempt`` at a unit joins the run with this id; the first of them begins it. One
        that has ended gets AttemptEnded.
        """
        started = self._clock()
        run = RunRecord("", kind, config, fingerprint, started, keep=keep)
        if attempt is not None:
            with self._history.writing():
                if not self._history.may_write(attempt):
                    raise attempt.end(TAKEN_OVER)
                self._history.add_run(replace(run, id=run_id))
            return self._joined(run_id, attempt)
        with self._history.writing():
            while True:
                run = replace(run, id=run_id or new_id(started))
                run_id = ""
                if self._history.add_run(run):
                    break
            self._running.take(run.id)
        return self._joined(run.id, None)

    def _joined(self, run: str, attempt: Attempt | None) -> RunJournal:
        return RunJournal(run, self._history, self.manifests, self._running, self._clock, attempt)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """The runs, newest first."""
        return [self._checked(run) for run in self._history.runs(limit)]

    def run(self, id_or_prefix: str) -> RunRecord:
        """The run with this id, or the only one whose id begins with this text.

        Raises NotFound, and InvalidValue if there are several.
        """
        return self._checked(self._history.run(id_or_prefix))

    def _checked(self, run: RunRecord) -> RunRecord:
        """The record of a run, ``interrupted`` if its process is gone."""
        if run.status == "running" and not self._is_going(run.id):
            return replace(run, status="interrupted")
        return run

    def _is_going(self, run: str) -> bool:
        """Whether a run goes on, in a process or with workers."""
        is_shared = self._courses is not None and self._courses.is_going(run)
        return is_shared or self._running.is_held(run)

    def _is_applying(self, plan: str) -> bool:
        """Whether a plan is being applied, by a process or by workers."""
        is_shared = self._courses is not None and self._courses.is_applying(plan)
        return is_shared or self._running.is_held(_plan_lock(plan))

    @property
    def script_runs(self) -> ScriptRuns:
        """The runs of scripts, those that changed nothing among them."""
        return self._history.script_runs

    @property
    def pages(self) -> RunPages:
        """What runs of scripts left to be looked at."""
        return self._history.pages

    def failing(self, config: str) -> frozenset[str]:
        """The scripts of a config that failed in their last run, as far as that was noted."""
        return self._history.failing.all(config)

    def set_failing(self, config: str, script: str, *, failing: bool) -> None:
        """Note that a script failed, or that it works again. Raises StorageError."""
        if failing:
            self._history.failing.add(config, script, self._clock())
        else:
            self._history.failing.remove(config, script)

    def keep_plan(
        self,
        content: bytes,
        *,
        made: float,
        config: str,
        summary: str,
        keep: float | None = None,
        script: str = "",
        approve_within: float | None = None,
    ) -> PlanRecord:
        """Keep a plan for so many seconds, under an id like that of a run. Raises StorageError.

        With ``approve_within``, in seconds, it waits for approval and lapses after that.
        """
        plan = PlanRecord("", made, config, summary, script, keep=keep)
        if approve_within is not None:
            plan = replace(plan, state="waiting", lapses=made + approve_within)
        return self._history.plans.add(lambda: new_id(made), plan, content)

    def plans(self) -> list[PlanRecord]:
        """The plans that are kept, newest first."""
        return self._history.plans.all()

    def plan(self, id_or_prefix: str) -> PlanRecord:
        """The plan with this id, or the only one whose id begins with this text.

        Raises NotFound, and InvalidValue if there are several.
        """
        return self._history.plans.find(id_or_prefix)

    def plan_content(self, plan: PlanRecord) -> bytes:
        """What is in a plan. Raises NotFound and StorageError."""
        return self._history.plans.content(plan.id)

    def plans_in(self, state: PlanState, config: str) -> list[PlanRecord]:
        """The plans of a config that are in a state, the oldest first."""
        return self._history.plans.in_state(state, config)

    def approve_plan(self, id_or_prefix: str) -> PlanRecord:
        """Approve a plan that waits, which its server applies then.

        Raises Conflict for any other, and the errors of ``plan``.
        """
        return self._history.plans.approve(self.plan(id_or_prefix), self._clock())

    def require_open(self, plan: PlanRecord) -> None:
        """Raise a Conflict for a plan that can't be applied any more, or is being applied."""
        self._history.plans.require_open(plan, self._clock())

    def begin_plan(self, plan: PlanRecord, *, here: bool = True) -> PlanRecord:
        """Begin to apply a plan, approved or not: who does that has looked at it.

        Of several processes one may; the others get a Conflict, as for a plan that has
        lapsed or was applied. One that needs no approval may be applied any number of
        times. Say with ``end_plan`` what became of it. Where it is not applied ``here`` but by
        workers, it ends with the run that they share.
        """
        plans = self._history.plans
        return plans.begin(
            plan, self._clock(), lambda id_: self._running.take(_plan_lock(id_)) if here else None
        )

    def end_plan(self, plan: PlanRecord, state: Literal["applied", "failed"]) -> None:
        """Set what became of a plan that was begun, unless another process applies it by now.

        Raises StorageError.
        """
        if plan.state == "applying":
            with self._history.writing():
                if not self._running.ended(_plan_lock(plan.id)):
                    self._history.plans.end(plan, state)
            self._running.release(_plan_lock(plan.id))

    def be_server(self, config: str) -> None:
        """Let others know that a server of a config works with the database of this journal.

        Of several servers one holds the name; call it again and again. Raises StorageError.
        """
        if not self.has_server(config):
            self._running.take(_server_lock(config))

    def has_server(self, config: str) -> bool:
        """Whether a server of a config works with the database of this journal."""
        return self._running.is_held(_server_lock(config))

    def lapse_plan(self, plan: PlanRecord) -> bool:
        """Let a plan lapse, unless its state has changed by now. Raises StorageError."""
        return self._history.plans.lapse(plan)

    def forget_plans(self, config: str, keep: float) -> None:
        """Remove the plans that are too old, as ``forget`` does."""
        keep_for(self.database, KEPT, config, keep)
        self._history.plans.forget(self._clock())

    def actions(self, run: str) -> list[ActionRecord]:
        """The actions of the run with this id, in the order in which they began."""
        return self._history.actions(run)

    def manifest(self, saved: SavedManifest) -> Manifest:
        """A saved manifest, verified. Raises StorageError if it is gone or damaged."""
        return self.manifests.read(saved.digest, saved.media_type)

    def needed(self, repository: Reference) -> frozenset[Digest]:
        """The manifests and blobs of a repository that an undo may need.

        Raises StorageError if a saved manifest can't be read.
        """
        needed: set[Digest] = set()
        for saved in self._history.saved_for(absolute(repository)):
            needed.add(saved.digest)
            needed.update(blob.digest for blob in blobs_of(self.manifest(saved)))
        return frozenset(needed)

    def forget(self, config: str, keep: float) -> Forgotten:
        """Remove the runs in which nothing was done for as long as each is kept.

        Those of this config are kept for at least so many seconds. Runs in progress stay. The
        manifests that no other run needs are removed after their rows, and with them those of
        which no entry was ever written. Plans and runs of scripts that are too old go too, and
        the units of runs that workers shared.
        """
        now = self._clock()
        self.forget_plans(config, keep)
        self._history.failing.forget(now)
        if self._courses:
            self._courses.forget(config, keep)
        runs = self._history.forget(now, is_going=self._is_going)
        for run in runs:
            self._running.release(run)
        self._history.script_runs.forget(now)
        self.manifests.tidy(before=now - _TEMPORARY_FOR)
        return Forgotten(len(runs), self._remove_unused() if runs else 0)

    def _remove_unused(self) -> int:
        """Remove the manifests that no run needs; how many they were."""
        left = self._history.unused(self.manifests.maybe_unused())
        removed = 0
        while left:
            batch, left = left[:_AT_ONCE], left[_AT_ONCE:]
            with self._history.writing():
                unused = self._history.unused(batch)
                for digest in unused:
                    self.manifests.remove(digest)
                removed += len(unused)
        return removed


def _plan_lock(plan: str) -> str:
    """The lock of a plan that is being applied."""
    return f"{plan}.plan"


def _server_lock(config: str) -> str:
    """The lock of the servers of a config."""
    return storable(f"{config}.server")
