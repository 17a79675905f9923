"""The runs of scripts, those that changed nothing among them: the newest of each script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from regbot.errors import NotFound
from regbot.journal.database import ALL_ROWS, Database, storable
from regbot.journal.naming import new_id
from regbot.journal.records import ScriptRun
from regbot.journal.running import Running

SCRIPT_RUNS = (
    """CREATE TABLE IF NOT EXISTS script_run (
        id TEXT PRIMARY KEY, script TEXT NOT NULL, kind TEXT NOT NULL, config TEXT NOT NULL,
        started REAL NOT NULL, schedule TEXT NOT NULL, due REAL, ended REAL,
        status TEXT NOT NULL, error TEXT NOT NULL, guarded INTEGER NOT NULL,
        counts TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS script_run_by_script ON script_run(config, script, started)",
    "ALTER TABLE script_run ADD COLUMN plan TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE script_run ADD COLUMN freeable INTEGER",
    "ALTER TABLE script_run ADD COLUMN summary TEXT NOT NULL DEFAULT ''",
)
"""The table, which files of the first version may have, and what it lacked there."""
_COLUMNS = (
    "id, script, kind, config, started, schedule, due,"
    " ended, status, error, guarded, counts, plan, freeable, summary, keep"
)
_NEWEST = (
    "SELECT id FROM (SELECT id,"
    " row_number() OVER (PARTITION BY script ORDER BY {by} DESC, id DESC) AS place"
    " FROM script_run WHERE config = ? AND {which}) AS ranked WHERE place = 1"
)
_ENDED_WELL = "status = 'done' AND (kind != 'plan' OR due IS NOT NULL)"
_KEPT = 500
"""Runs of one script that are kept."""


class ScriptRuns:
    """The runs of scripts in a database. All methods raise StorageError.

    ``running`` has the names of those in progress: whoever has a run holds its name.
    """

    def __init__(self, database: Database, running: Running) -> None:
        self._database = database
        self._running = running

    def begin(self, run: ScriptRun) -> ScriptRun:
        """Begin a run, in place of the oldest, and give it its id."""
        config, script = storable(run.config), storable(run.script)
        with self._database.writing():
            ids = iter(lambda: new_id(run.started), None)
            run = replace(run, id=next(name for name in ids if self._is_free(name)))
            self._database.run(
                f"INSERT INTO script_run ({_COLUMNS})"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    script,
                    run.kind,
                    config,
                    run.started,
                    run.schedule,
                    run.due,
                    *_ending(run),
                    run.keep,
                ),
            )
            self._database.run(
                "DELETE FROM script_run WHERE id IN (SELECT id FROM script_run"
                " WHERE config = ? AND script = ? ORDER BY started DESC LIMIT ? OFFSET ?)",
                (config, script, ALL_ROWS, _KEPT),
            )
            self._running.take(_lock_of(run.id))
        return run

    def claim(self, run: ScriptRun) -> bool:
        """Whether a run that goes on is this process's, to say how it ends.

        False where another process goes on with it, or has ended it, because this one was
        suspended for longer than its lease. Call it in a transaction.
        """
        if not self._running.ended(_lock_of(run.id)):
            return True
        is_left = any(
            each.id == run.id and each.status == "interrupted" for each in self.open(run.config)
        )
        if is_left:
            self.hold(run.id)
        return is_left

    def hold(self, run: str) -> None:
        """Go on with a run whose process is gone."""
        self._running.take(_lock_of(run))

    def end(self, run: ScriptRun) -> bool:
        """Set how a run ended, as far as ``claim`` lets this process say so."""
        with self._database.writing():
            is_own = self.claim(run)
            if is_own:
                self._write_end(run)
        if is_own:
            self._running.release(_lock_of(run.id))
        return is_own

    def amend(self, run: ScriptRun) -> None:
        """Set what is known of a run since it ended."""
        self._database.together(lambda: self._write_end(run))

    def _write_end(self, run: ScriptRun) -> None:
        self._database.run(
            "UPDATE script_run SET ended = ?, status = ?, error = ?, guarded = ?, counts = ?,"
            " plan = ?, freeable = ?, summary = ? WHERE id = ?",
            (*_ending(run), run.id),
        )

    def all(self, limit: int | None = None) -> list[ScriptRun]:
        """The runs, newest first; ``interrupted`` if their process is gone."""
        limit = ALL_ROWS if limit is None else limit
        return self._select("ORDER BY started DESC, id DESC LIMIT ?", (limit,))

    def of(self, config: str, script: str, limit: int) -> list[ScriptRun]:
        """The newest runs of one script of a config, newest first."""
        return self._select(
            "WHERE config = ? AND script = ? ORDER BY started DESC, id DESC LIMIT ?",
            (storable(config), storable(script), limit),
        )

    def open(self, config: str) -> list[ScriptRun]:
        """The runs of a config that have not ended, oldest first."""
        return self._select(
            "WHERE config = ? AND status = 'running' ORDER BY started, id", (storable(config),)
        )

    def find(self, run: str) -> ScriptRun:
        """The run with this id. Raises NotFound."""
        for record in self._select("WHERE id = ?", (storable(run),)):
            return record
        raise NotFound(f"no run of a script has the id {run!r}")

    def last(self, config: str) -> list[ScriptRun]:
        """Of each script of a config, the last run, and the last that ended well.

        A plan that somebody asked for beside the schedule is not one of those. The oldest
        comes first.
        """
        path = storable(config)
        return self._select(
            f"WHERE id IN ({_NEWEST.format(by='started', which='TRUE')} UNION"
            f" {_NEWEST.format(by='ended', which=_ENDED_WELL)}) ORDER BY started, id",
            (path, path),
        )

    def last_due(self, config: str) -> dict[tuple[str, str], float]:
        """When the last run of each script of a config was due, by script and schedule."""
        rows = self._database.rows(
            "SELECT script, schedule, max(due) FROM script_run"
            " WHERE config = ? AND due IS NOT NULL GROUP BY script, schedule",
            (storable(config),),
        )
        return {(script, schedule): due for script, schedule, due in rows}

    def forget(self, now: float) -> None:
        """Remove the runs that began longer ago than each is kept, but for those that go on."""
        with self._database.writing():
            rows = self._database.rows("SELECT id FROM script_run WHERE started < ? - keep", (now,))
            gone = [str(run) for (run,) in rows if not self._running.is_held(_lock_of(run))]
            self._database.run_many("DELETE FROM script_run WHERE id = ?", [(run,) for run in gone])
        for run in gone:
            self._running.release(_lock_of(run))

    def _select(self, which: str, values: Sequence[object]) -> list[ScriptRun]:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM script_run {which}", values)  # noqa: S608
        return [self._checked(self._read(row)) for row in rows]

    def _checked(self, run: ScriptRun) -> ScriptRun:
        """The same, ``interrupted`` if its process is gone."""
        if run.status == "running" and not self._running.is_held(_lock_of(run.id)):
            return replace(run, status="interrupted")
        return run

    def _is_free(self, run: str) -> bool:
        query = "SELECT 1 FROM script_run WHERE id = ? UNION SELECT 1 FROM run WHERE id = ?"
        return not self._database.rows(query, (run, run))

    def _read(self, row: tuple[Any, ...]) -> ScriptRun:
        *values, guarded, counts, plan, freeable, summary, keep = row
        try:
            counted = json.loads(counts)
        except ValueError as error:
            raise self._database.damaged(error) from None
        id_, script, kind, config, started, schedule, due, ended, status, error_text = values
        return ScriptRun(
            id=id_,
            script=script,
            kind=kind,
            config=config,
            started=started,
            schedule=schedule,
            due=due,
            ended=ended,
            status=status,
            error=error_text,
            guarded=bool(guarded),
            counts=counted,
            plan=plan,
            freeable=freeable,
            summary=summary,
            keep=keep,
        )


def _lock_of(run: str) -> str:
    """The name of a run of a script in progress; the run's own is that of what it changes."""
    return f"{run}.script"


def _ending(run: ScriptRun) -> tuple[float | None, str, str, int, str, str, int | None, str]:
    return (
        run.ended,
        run.status,
        storable(run.error),
        int(run.guarded),
        json.dumps(dict(run.counts)),
        run.plan,
        run.freeable,
        storable(run.summary),
    )
