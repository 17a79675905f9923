"""Plans that are kept in the journal until they are applied or too old.

Those of a script that needs approval have a state. Each change of it is one statement that
names the state before, so that of several processes one makes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

from regbot.errors import Conflict, NotFound
from regbot.journal.database import Database, storable
from regbot.journal.naming import named
from regbot.journal.records import PlanRecord, PlanState

PLANS = (
    """CREATE TABLE IF NOT EXISTS plan (
        id TEXT PRIMARY KEY, made REAL NOT NULL, config TEXT NOT NULL, summary TEXT NOT NULL,
        content BLOB NOT NULL)""",
    "ALTER TABLE plan ADD COLUMN script TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE plan ADD COLUMN state TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE plan ADD COLUMN lapses REAL",
    "CREATE INDEX plan_by_state ON plan(state, config)",
)
"""The table, which files of the first version may have, and what it lacked there."""
_COLUMNS = "id, made, config, summary, script, state, lapses, keep"
_STATES: Sequence[PlanState] = get_args(PlanState)
_WAITING: Sequence[PlanState] = ("waiting",)
_OPEN: Sequence[PlanState] = ("waiting", "approved", "failed")
"""The states from which a plan can be applied."""
_WHY_NOT: dict[PlanState, str] = {
    "": "needs no approval",
    "approved": "is approved already",
    "applying": "is being applied",
    "applied": "was applied already",
    "lapsed": "has lapsed (the next run of its script makes a new one)",
    "failed": "was applied, and not all of it succeeded",
}


class Plans:
    """The plans in a database.

    ``is_applied`` says whether a process applies a plan.
    """

    def __init__(self, database: Database, is_applied: Callable[[str], bool]) -> None:
        self._database = database
        self._is_applied = is_applied

    def add(self, new_id: Callable[[], str], plan: PlanRecord, content: bytes) -> PlanRecord:
        """Keep a plan under a new id. Raises StorageError."""
        with self._database.writing():
            taken = self._ids()
            plan = replace(plan, id=next(name for name in iter(new_id, None) if name not in taken))
            self._database.run(
                f"INSERT INTO plan ({_COLUMNS}, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    plan.id,
                    plan.made,
                    storable(plan.config),
                    storable(plan.summary),
                    storable(plan.script),
                    plan.state,
                    plan.lapses,
                    plan.keep,
                    zlib.compress(content),
                ),
            )
        return plan

    def all(self) -> list[PlanRecord]:
        """The plans, newest first. Raises StorageError if one is damaged."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM plan ORDER BY made DESC, id DESC")  # noqa: S608
        return [self._record(*row) for row in rows]

    def in_state(self, state: PlanState, config: str) -> list[PlanRecord]:
        """The plans of a config that are in a state, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM plan WHERE state = ? AND config = ? ORDER BY made, id",  # noqa: S608
            (state, storable(config)),
        )
        return [self._record(*row) for row in rows]

    def _record(
        self,
        plan: object,
        made: object,
        config: object,
        summary: object,
        script: object,
        state: object,
        lapses: object,
        keep: object,
    ) -> PlanRecord:
        """A row of the table; SQLite lets any column hold any type.

        A plan that was being applied by a process that is gone has failed.
        """
        match plan, made, config, summary, script, lapses, keep:
            case str(), float(), str(), str(), str(), float() | None, float() | None:
                for known in _STATES:
                    if state == known:
                        is_cut_off = known == "applying" and not self._is_applied(plan)
                        now: PlanState = "failed" if is_cut_off else known
                        return PlanRecord(plan, made, config, summary, script, now, lapses, keep)
        raise self._database.damaged(f"plan {plan!r}")

    def find(self, prefix: str) -> PlanRecord:
        """The plan with this id, or the only one whose id begins with this text.

        Raises NotFound, and InvalidValue if there are several.
        """
        plan = named(prefix, self._ids(), "plan", "regbot show")
        query = f"SELECT {_COLUMNS} FROM plan WHERE id = ?"  # noqa: S608
        for row in self._database.rows(query, (plan,)):
            return self._record(*row)
        raise NotFound(f"the plan {plan} is gone")

    def _ids(self) -> list[str]:
        return [plan for (plan,) in self._database.rows("SELECT id FROM plan ORDER BY id DESC")]

    def content(self, plan: str) -> bytes:
        """The plan itself. Raises StorageError if it is damaged, NotFound if it is gone."""
        for (content,) in self._database.rows("SELECT content FROM plan WHERE id = ?", (plan,)):
            try:
                return zlib.decompress(content)
            except (zlib.error, TypeError) as error:
                raise self._database.damaged(f"plan {plan}: {error}") from None
        raise NotFound(f"the plan {plan} is gone")

    def approve(self, plan: PlanRecord, now: float) -> PlanRecord:
        """Approve a plan that waits. Raises Conflict for any other."""
        with self._database.writing():
            return self._moved(self.find(plan.id), _WAITING, "approved", now)

    def require_open(self, plan: PlanRecord, now: float) -> None:
        """Raise a Conflict for a plan that can't be applied any more, or is being applied."""
        if plan.state:
            _require(plan, _OPEN, now)

    def begin(self, plan: PlanRecord, now: float, lock: Callable[[str], None]) -> PlanRecord:
        """Begin to apply a plan, approved or not: who does that has looked at it.

        Of several processes one may do it; the others get a Conflict, as for a plan that
        has lapsed or was applied. ``lock`` is called with the id before others see it. One
        that needs no approval may be applied any number of times.
        """
        with self._database.writing():
            plan = self.find(plan.id)
            if not plan.state:
                return plan
            plan = self._moved(plan, _OPEN, "applying", now)
            lock(plan.id)
            return plan

    def end(self, plan: PlanRecord, state: PlanState) -> None:
        """Set what became of a plan that was being applied."""
        self._database.run("UPDATE plan SET state = ? WHERE id = ?", (state, plan.id))

    def lapse(self, plan: PlanRecord) -> bool:
        """Let a plan lapse, unless its state has changed by now."""
        query = "UPDATE plan SET state = 'lapsed' WHERE id = ? AND state = ?"
        return self._database.run(query, (plan.id, plan.state)) == 1

    def _moved(
        self, plan: PlanRecord, before: Sequence[PlanState], state: PlanState, now: float
    ) -> PlanRecord:
        """A plan in its next state. Call it in ``writing``."""
        _require(plan, before, now)
        self._database.run("UPDATE plan SET state = ? WHERE id = ?", (state, plan.id))
        return replace(plan, state=state)

    def forget(self, now: float) -> None:
        """Remove the plans that are too old. Raises StorageError."""
        self._database.run("DELETE FROM plan WHERE coalesce(lapses, made) < ? - keep", (now,))


def _require(plan: PlanRecord, states: Sequence[PlanState], now: float) -> None:
    """Raise a Conflict for a plan that is in none of these states."""
    state = plan.state
    if state in ("waiting", "failed") and plan.is_over(now):
        state = "lapsed"
    if state not in states:
        raise Conflict(f"the plan {plan.id} {_WHY_NOT[state]}")
