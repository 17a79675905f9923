"""The units of runs in their common database: what waits, who does what, and what came of it.

The rows here are the truth, and the queue is only the bell: a job whose unit does not wait any
more does nothing, and a unit without a job gets another one. A unit ends once: its state
changes by statements that name the attempt, so that of two workers one changes a row. What
follows a unit begins to wait in the transaction that ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

from regbot.errors import NotFound
from regbot.events import Ending
from regbot.journal.attempts import RUNNING
from regbot.journal.courses import Courses
from regbot.journal.database import Database, storable
from regbot.run.cluster.progress import Progress, State
from regbot.run.unitentries import SCHEMA
from regbot.values import dataclass

_ALIVE = "EXISTS (SELECT 1 FROM worker WHERE worker.id = unit.worker AND worker.until > {now})"
CANCELLED = "its run was cancelled"


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A run that is divided into units. ``content`` says what it is about.

    ``fingerprint`` is that of its config: only who has the same may do its units. ``plan``
    is the id of the one that it carries out, if that is kept. It is kept for ``keep`` seconds.
    ``status`` is how it ended, empty before.
    """

    run: str
    kind: str
    config: str
    fingerprint: str
    content: bytes
    plan: str = ""
    keep: float | None = None
    status: Ending | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit that is to be done. ``content`` says what; the rest is for people."""

    id: str
    script: str
    kind: str
    repository: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """A unit that a worker has taken: the attempt with this ``number`` at it.

    ``failures`` attempts before it came to nothing.
    """

    id: str
    run: str
    script: str
    number: int
    failures: int
    content: bytes


@dataclass(frozen=True, slots=True)
class EndedUnit:
    """A unit that has ended: what it was, and what came of it, if anything did."""

    id: str
    state: State
    error: str
    content: bytes
    result: bytes | None


Following = Callable[[Mapping[str, int]], Sequence[NewUnit]]
"""The units that follow one, by whether other units of each script that has begun are open."""


class Bell(Protocol):
    """Calls workers to units, in the transaction in which these begin to wait."""

    def ring(self, fingerprint: str, units: Sequence[str], after: float = 0.0) -> None:
        """Call those with this config to some units, after so many seconds."""

    def missing(self, waiting_for: float) -> Mapping[str, str]:
        """The units that waited so many seconds with no call to them, and their config."""


def key_of(fingerprint: str) -> str:
    """What workers look for: the units of a config, in the form that this regbot writes.

    One that writes another form leaves them alone, as it could not read them.
    """
    return f"{fingerprint}.{SCHEMA}"


class Units:
    """The units of all runs; threads may share it. Raises StorageError."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._courses = Courses(database)
        self._alive = _ALIVE.format(now=database.now)
        self.progress = Progress(database)

    def hand_out(self, course: HandedOut, units: Sequence[NewUnit]) -> bool:
        """Begin a run with its first units; False if a run with this id was handed out."""
        with self._database.writing():
            added = self._database.run(
                "INSERT INTO course (run, kind, config, fingerprint, content, plan, keep, made)"  # noqa: S608
                f" VALUES (?, ?, ?, ?, ?, ?, ?, {self._database.now}) ON CONFLICT DO NOTHING",
                (
                    course.run,
                    course.kind,
                    storable(course.config),
                    key_of(course.fingerprint),
                    course.content,
                    course.plan,
                    course.keep,
                ),
            )
            if added:
                self._add(course.run, key_of(course.fingerprint), units)
                self._end_if_done(course.run)
        return bool(added)

    def take(self, unit: str, worker: str) -> Taken | None:
        """Begin the next attempt at a unit that waits; None if it doesn't wait any more."""
        now = self._database.now
        if not self._database.run(
            f"UPDATE unit SET state = ?, attempt = attempt + 1, worker = ?, begun = {now}"  # noqa: S608
            f" WHERE id = ? AND state = 'waiting' AND ready <= {now}",
            (RUNNING, worker, unit),
        ):
            return None
        rows = self._database.rows(
            "SELECT id, run, script, attempt, failures, content FROM unit"
            " WHERE id = ? AND worker = ? AND state = ?",
            (unit, worker, RUNNING),
        )
        return Taken(*rows[0]) if rows else None

    def end(
        self, taken: Taken, state: State, error: str, result: bytes | None, following: Following
    ) -> bool:
        """End a unit, and let wait what follows it; False if the attempt had ended before."""
        with self._changing(taken, state, error, result) as is_newest:
            if is_newest:
                if units := following(self._open(taken.run)):
                    self._add(taken.run, self._key(taken.run), units)
                self._end_if_done(taken.run)
        return is_newest

    def put_back(
        self, taken: Taken, error: str = "", *, after: float = 0.0, counts: bool = False
    ) -> bool:
        """Let a unit wait for another attempt, in so many seconds at the soonest.

        False if this attempt had ended before. It ``counts`` as a failure if it came to nothing
        by itself.
        """
        now = self._database.now
        with self._database.writing():
            changed = self._database.run(
                f"UPDATE unit SET state = 'waiting', worker = '', ready = {now} + ?, error = ?,"  # noqa: S608
                " failures = failures + ? WHERE id = ? AND attempt = ? AND state = ?",
                (after, storable(error), int(counts), taken.id, taken.number, RUNNING),
            )
            if changed:
                self._bell.ring(self._key(taken.run), [taken.id], after)
        return bool(changed)

    def lapsed(self, fingerprint: str) -> list[Taken]:
        """The attempts whose workers are gone, or were stopped for longer than their lease.

        Only those of the config with this ``fingerprint``, in the form that this regbot writes.
        """
        of_config = "run IN (SELECT run FROM course WHERE fingerprint = ?)"
        return self._running(f"NOT {self._alive} AND {of_config}", key_of(fingerprint))

    def attempts_of(self, worker: str) -> list[Taken]:
        """The attempts of a worker that may go on."""
        return self._running("worker = ?", worker)

    def _running(self, which: str, *values: object) -> list[Taken]:
        rows = self._database.rows(
            "SELECT id, run, script, attempt, failures, content FROM unit"  # noqa: S608
            f" WHERE state = ? AND {which}",
            (RUNNING, *values),
        )
        return [Taken(*row) for row in rows]

    def call_again(self, waiting_for: float) -> None:
        """Call workers to units that waited so many seconds and lost the call to them."""
        if not self._bell.missing(waiting_for):
            return
        with self._database.writing():
            for unit, fingerprint in self._bell.missing(waiting_for).items():
                self._bell.ring(fingerprint, [unit])

    def cancel(self, run: str) -> int:
        """End a run: how many of its units waited or were running. Raises NotFound."""
        with self._database.writing():
            self.course(run)
            changed = self._database.run(
                f"UPDATE unit SET state = 'stopped', error = ?, ended = {self._database.now}"  # noqa: S608
                " WHERE run = ? AND ended IS NULL",
                (CANCELLED, run),
            )
            self._end_if_done(run)
        return changed

    def course(self, run: str) -> HandedOut:
        """A run that was handed out. Raises NotFound."""
        query = (
            "SELECT run, kind, config, fingerprint, content, plan, keep, status FROM course"
            " WHERE run = ?"
        )
        rows = self._database.rows(query, (run,))
        if not rows:
            raise NotFound(f"no run {run!r} was handed out to workers (see regbot units)")
        run, kind, config, key, *others = rows[0]
        return HandedOut(run, kind, config, key.rpartition(".")[0], *others)

    def is_left_alone(self, fingerprint: str) -> bool:
        """Whether a run of a config goes on whose units have a form that this regbot can't read."""
        query = (
            "SELECT 1 FROM course WHERE ended IS NULL AND fingerprint LIKE ? AND fingerprint <> ?"
        )
        return bool(self._database.rows(query, (f"{fingerprint}.%", key_of(fingerprint))))

    def has(self, run: str) -> bool:
        """Whether a run was handed out."""
        return bool(self._database.rows("SELECT 1 FROM course WHERE run = ?", (run,)))

    def is_for(self, run: str, fingerprint: str) -> bool:
        """Whether a run is of the config with this, in the form that this regbot writes."""
        query = "SELECT 1 FROM course WHERE run = ? AND fingerprint = ?"
        return bool(self._database.rows(query, (run, key_of(fingerprint))))

    def is_idle(self, run: str, seconds: float) -> bool:
        """Whether nobody does any unit of a run, or has done so for so many seconds."""
        since = f"{self._database.now} - ?"
        return not self._database.rows(
            f"SELECT 1 FROM unit WHERE run = ? AND (state = ? AND {self._alive}"  # noqa: S608
            f" OR ready > {since} OR begun > {since} OR ended > {since}) LIMIT 1",
            (run, RUNNING, seconds, seconds, seconds),
        )

    def ended(self, run: str) -> list[EndedUnit]:
        """The units of a run that have ended, in the order in which they were made."""
        rows = self._database.rows(
            "SELECT id, state, error, content, result FROM unit"
            " WHERE run = ? AND ended IS NOT NULL ORDER BY place",
            (run,),
        )
        return [EndedUnit(*row) for row in rows]

    def ended_ids(self, run: str, since: float) -> list[tuple[str, float]]:
        """The ids of the units of a run that have ended from then on, and when."""
        return self._database.rows(
            "SELECT id, ended FROM unit WHERE run = ? AND ended >= ? ORDER BY ended", (run, since)
        )

    def ended_unit(self, unit: str) -> EndedUnit:
        """A unit that has ended."""
        query = "SELECT id, state, error, content, result FROM unit WHERE id = ?"
        return EndedUnit(*self._database.rows(query, (unit,))[0])

    @contextmanager
    def _changing(
        self, taken: Taken, state: State, error: str, result: bytes | None
    ) -> Iterator[bool]:
        """End an attempt in a transaction; whether it was the newest, and had not ended."""
        with self._database.writing():
            yield bool(
                self._database.run(
                    "UPDATE unit SET state = ?, error = ?, result = ?,"  # noqa: S608
                    f" ended = {self._database.now} WHERE id = ? AND attempt = ? AND state = ?",
                    (state, storable(error), result, taken.id, taken.number, RUNNING),
                )
            )

    def _open(self, run: str) -> Mapping[str, int]:
        """Of each script of a run that has begun, 1 if any of its units is open, or 0.

        However many units there are, this looks at one or two of each script.
        """
        rows = self._database.rows(
            "SELECT script, EXISTS (SELECT 1 FROM unit AS other WHERE other.run = unit.run"
            " AND other.script = unit.script AND other.ended IS NULL)"
            " FROM unit WHERE run = ? AND kind IN ('script', 'split')",
            (run,),
        )
        return {script: int(is_open) for script, is_open in rows}

    def _add(self, run: str, fingerprint: str, units: Sequence[NewUnit]) -> None:
        if not units:
            return
        ((count,),) = self._database.rows(
            "SELECT COALESCE(MAX(place) + 1, 0) FROM unit WHERE run = ?", (run,)
        )
        self._database.run_many(
            "INSERT INTO unit (id, run, place, script, kind, repository, content, state, attempt,"  # noqa: S608
            f" failures, worker, ready, error) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', 0, 0, '',"
            f" {self._database.now}, '') ON CONFLICT DO NOTHING",
            [
                (
                    unit.id,
                    run,
                    count + place,
                    storable(unit.script),
                    unit.kind,
                    storable(unit.repository),
                    unit.content,
                )
                for place, unit in enumerate(units)
            ],
        )
        self._bell.ring(fingerprint, [unit.id for unit in units])

    def _end_if_done(self, run: str) -> None:
        """End a run whose units have all ended: as they did. Call it in ``writing``."""
        if self._database.rows(
            "SELECT 1 FROM unit WHERE run = ? AND ended IS NULL LIMIT 1", (run,)
        ):
            return
        rows = self._database.rows("SELECT DISTINCT state FROM unit WHERE run = ?", (run,))
        states = {state for (state,) in rows}
        endings: Sequence[Ending] = ("failed", "stopped")
        self._courses.end(run, next((ending for ending in endings if ending in states), "done"))

    def _key(self, run: str) -> str:
        return str(
            self._database.rows("SELECT fingerprint FROM course WHERE run = ?", (run,))[0][0]
        )
