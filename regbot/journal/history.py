"""The history of runs and their actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

from regbot.errors import InvalidValue
from regbot.journal.attempts import may_write
from regbot.journal.database import ALL_ROWS, Database, Steps, storable
from regbot.journal.failing import FAILING, Failing
from regbot.journal.keeping import KEEPING
from regbot.journal.naming import named
from regbot.journal.plans import PLANS, Plans
from regbot.journal.records import (
    ActionRecord,
    EntryStatus,
    RunRecord,
    RunStatus,
    SavedManifest,
)
from regbot.journal.running import Running
from regbot.journal.runpages import RUN_PAGES, RunPages
from regbot.journal.scriptruns import SCRIPT_RUNS, ScriptRuns
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Attempt

_RUNS = (
    """CREATE TABLE run (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL, fingerprint TEXT NOT NULL,
        started REAL NOT NULL, ended REAL, status TEXT NOT NULL)""",
    """CREATE TABLE action (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
        at REAL NOT NULL, script TEXT NOT NULL, verb TEXT NOT NULL,
        reference TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
        status TEXT NOT NULL, detail TEXT NOT NULL, tags TEXT NOT NULL, missing TEXT NOT NULL,
        repository TEXT NOT NULL)""",
    "CREATE INDEX action_by_run ON action(run)",
    "CREATE INDEX action_by_repository ON action(repository)",
    """CREATE TABLE saved (
        action INTEGER NOT NULL REFERENCES action(id) ON DELETE CASCADE,
        place INTEGER NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
        PRIMARY KEY (action, place)) WITHOUT ROWID""",
    "CREATE INDEX saved_by_digest ON saved(digest)",
)
_WAS_GONE = (
    "ALTER TABLE action ADD COLUMN was_gone INTEGER NOT NULL DEFAULT 0",
    "UPDATE action SET was_gone = 1 WHERE status = 'done' AND detail = 'already gone'",
)
"""Whether a delete found nothing to take, which only the detail told before."""
STEPS: Steps = (_RUNS, (*PLANS, *SCRIPT_RUNS), RUN_PAGES, FAILING, _WAS_GONE, KEEPING)
"""The versions of the tables. One of any of them is taken over, so none is ever changed:
what is new is a step at the end."""
_ACTION = (
    "action.id, run, at, script, verb, reference, digest, reason, status, detail, tags, missing,"
    " was_gone"
)
_RUN = "id, kind, config, fingerprint, started, ended, status, keep"
_TOO_OLD = (
    "started < ? - keep AND coalesce(ended, 0) < ? - keep"
    " AND NOT EXISTS (SELECT 1 FROM action WHERE action.run = run.id AND at >= ? - keep)"
)

Result = TypeVar("Result")


class History:
    """The runs and actions, ``plans``, ``script_runs``, ``pages`` of runs, and what is ``failing``.

    Threads and processes may share the ``database``, which has its tables. ``is_applied`` says
    whether a process applies a plan.
    """

    def __init__(
        self, database: Database, running: Running, is_applied: Callable[[str], bool]
    ) -> None:
        self._database = database
        self.plans = Plans(self._database, is_applied)
        self.script_runs = ScriptRuns(self._database, running)
        self.pages = RunPages(self._database)
        self.failing = Failing(self._database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def writing(self) -> AbstractContextManager[None]:
        """A transaction: durable at the end of the block, rolled back on an error."""
        return self._database.writing()

    def together(self, work: Callable[[], Result]) -> Result:
        """Do work in a transaction, which it may share with the work of other threads."""
        return self._database.together(work)

    def may_write(self, attempt: Attempt) -> bool:
        """Whether an attempt may still change anything. Call it in ``together``."""
        return may_write(self._database, attempt)

    def add_run(self, run: RunRecord) -> bool:
        """Add a run, or return False if its id is taken. Call it in ``writing``."""
        added = self._database.run(
            f"INSERT INTO run ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO NOTHING",
            (
                run.id,
                run.kind,
                storable(run.config),
                storable(run.fingerprint),
                run.started,
                run.ended,
                run.status,
                run.keep,
            ),
        )
        return added == 1

    def end_run(self, run: str, status: RunStatus, ended: float) -> bool:
        """Set how a run ended. A run that is done and has no actions is removed: False."""
        with self.writing():
            return end_run(self._database, run, status, ended)

    def add_action(self, action: ActionRecord) -> int:
        """Add an action and return its id. Call it in ``together``."""
        entry = self._database.insert(
            "INSERT INTO action (run, at, script, verb, reference, digest, reason, status, detail,"
            " tags, missing, repository) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                action.run,
                action.at,
                storable(action.script),
                action.verb,
                str(action.reference),
                str(action.digest or ""),
                storable(action.reason),
                action.status,
                storable(action.detail),
                " ".join(action.tags),
                " ".join(str(digest) for digest in action.missing),
                str(action.reference.without_name),
            ),
        )
        self._database.run_many(
            "INSERT INTO saved (action, place, digest, media_type) VALUES (?, ?, ?, ?)",
            [
                (entry, place, str(manifest.digest), storable(manifest.media_type))
                for place, manifest in enumerate(action.manifests)
            ],
        )
        return entry

    def end_action(self, entry: int, status: EntryStatus, detail: str, *, was_gone: bool) -> None:
        """Set the outcome of an action. Call it in ``together``."""
        self._database.run(
            "UPDATE action SET status = ?, detail = ?, was_gone = ? WHERE id = ?",
            (status, storable(detail), int(was_gone), entry),
        )

    def remove_action(self, entry: int) -> None:
        """Remove an action. Call it in ``together``."""
        self._database.run("DELETE FROM action WHERE id = ?", (entry,))

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """The runs, newest first."""
        newest = "ORDER BY started DESC, id DESC LIMIT ?"
        return self._runs(newest, ALL_ROWS if limit is None else limit)

    def run(self, prefix: str) -> RunRecord:
        """The run with this id, or the only one whose id begins with this text.

        Raises NotFound, and InvalidValue if there are several.
        """
        rows = self._database.rows("SELECT id FROM run ORDER BY started DESC, id DESC")
        run = named(prefix, [run for (run,) in rows], "run", "regbot history")
        return self._runs("WHERE id = ?", run)[0]

    def _runs(self, which: str, value: object) -> list[RunRecord]:
        """Some of the runs. Only their actions are counted: all of them may be millions."""
        counts: dict[str, dict[str, int]] = {}
        for run, status, count in self._database.rows(
            "SELECT run, status, count(*) FROM action"  # noqa: S608
            f" WHERE run IN (SELECT id FROM run {which}) GROUP BY run, status",
            (value,),
        ):
            counts.setdefault(run, {})[status] = count
        rows = self._database.rows(f"SELECT {_RUN} FROM run {which}", (value,))  # noqa: S608
        return [
            replace(RunRecord(*values), counts=counts.get(values[0], {}), keep=keep)
            for *values, keep in rows
        ]

    def actions(self, run: str) -> list[ActionRecord]:
        """The actions of a run, in the order in which they began."""
        saved: dict[int, list[SavedManifest]] = {}
        for entry, digest, media_type in self._database.rows(
            "SELECT action, saved.digest, media_type FROM saved JOIN action ON action.id = action"
            " WHERE run = ? ORDER BY action, place",
            (run,),
        ):
            saved.setdefault(entry, []).append(self._manifest(digest, media_type))
        rows = self._database.rows(
            f"SELECT {_ACTION} FROM action WHERE run = ? ORDER BY id",  # noqa: S608
            (run,),
        )
        return [self._action(row, tuple(saved.get(row[0], ()))) for row in rows]

    def saved_for(self, repository: Reference) -> list[SavedManifest]:
        """The saved manifests of a repository, each once."""
        rows = self._database.rows(
            "SELECT DISTINCT saved.digest, media_type FROM saved"
            " JOIN action ON action.id = action WHERE repository = ?",
            (str(repository.without_name),),
        )
        return [self._manifest(*row) for row in rows]

    def unused(self, digests: Iterable[Digest]) -> list[Digest]:
        """The digests that no action needs."""
        query = "SELECT 1 FROM saved WHERE digest = ? LIMIT 1"
        return [digest for digest in digests if not self._database.rows(query, (str(digest),))]

    def forget(self, now: float, *, is_going: Callable[[str], bool]) -> list[str]:
        """Remove runs in which nothing was done for as long as each is kept; their ids.

        Those that go on stay.
        """
        with self.writing():
            rows = self._database.rows(
                f"SELECT id FROM run WHERE {_TOO_OLD}",  # noqa: S608
                (now, now, now),
            )
            gone = [str(run) for (run,) in rows if not is_going(run)]
            self._database.run_many("DELETE FROM run WHERE id = ?", [(run,) for run in gone])
        return gone

    def _manifest(self, digest: str, media_type: str) -> SavedManifest:
        return SavedManifest(self._digest(digest), media_type)

    def _action(self, row: tuple[Any, ...], saved: tuple[SavedManifest, ...]) -> ActionRecord:
        entry, run, at, script, verb, reference, digest, reason, status, *others = row
        detail, tags, missing, was_gone = others
        return ActionRecord(
            id=entry,
            run=run,
            at=at,
            script=script,
            verb=verb,
            reference=self._reference(reference),
            digest=self._digest(digest) if digest else None,
            reason=reason,
            status=status,
            detail=detail,
            tags=tuple(self._tag(text) for text in tags.split()),
            manifests=saved,
            missing=tuple(self._digest(text) for text in missing.split()),
            was_gone=bool(was_gone),
        )

    def _digest(self, text: str) -> Digest:
        try:
            return Digest.parse(text)
        except InvalidValue as error:
            raise self._database.damaged(error) from None

    def _tag(self, text: str) -> Tag:
        try:
            return Tag.parse(text)
        except InvalidValue as error:
            raise self._database.damaged(error) from None

    def _reference(self, text: str) -> Reference:
        try:
            return Reference.parse(text, default_tag=None)
        except InvalidValue as error:
            raise self._database.damaged(error) from None


def end_run(database: Database, run: str, status: RunStatus, ended: float) -> bool:
    """Set how a run ended. Call it in ``writing``.

    A run that is done and has no actions is removed: False.
    """
    has_actions = database.rows("SELECT 1 FROM action WHERE run = ? LIMIT 1", (run,))
    kept = bool(has_actions) or status != "done"
    if kept:
        database.run("UPDATE run SET status = ?, ended = ? WHERE id = ?", (status, ended, run))
    else:
        database.run("DELETE FROM run WHERE id = ?", (run,))
    return kept
