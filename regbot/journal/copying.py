"""Copies a state to another place: the history with all that it needs, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from regbot.errors import Conflict, InvalidValue, NotFound, StateInUse, StorageError
from regbot.journal.database import Database, storable
from regbot.journal.journal import Journal
from regbot.journal.opening import open_journal, open_sightings
from regbot.journal.place import DatabaseUrl, State
from regbot.journal.records import RunRecord, ScriptRun
from regbot.journal.serverlock import only_server
from regbot.journal.sightings_table import SightingsTable
from regbot.oci.digest import Digest
from regbot.rules.in_use.sightings import Sightings
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is copied: its columns, the ``key`` first, by which rows are in order.

    ``noun`` is what its rows are for the user. ``at_once`` is how many are held in memory.
    """

    name: str
    noun: str
    key: tuple[str, ...]
    others: tuple[str, ...]
    at_once: int = 1000

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.key, *self.others)


TABLES = (
    Table(
        "run",
        "runs",
        ("id",),
        ("kind", "config", "fingerprint", "started", "ended", "status", "keep"),
    ),
    Table(
        "action",
        "actions",
        ("id",),
        (
            *("run", "at", "script", "verb", "reference", "digest", "reason", "status"),
            *("detail", "tags", "missing", "repository", "was_gone"),
        ),
    ),
    Table("saved", "notes of manifests", ("action", "place"), ("digest", "media_type")),
    Table(
        "script_run",
        "runs of scripts",
        ("id",),
        (
            *("script", "kind", "config", "started", "schedule", "due", "ended", "status"),
            *("error", "guarded", "counts", "plan", "freeable", "summary", "keep"),
        ),
    ),
    Table("run_page", "pages of runs", ("run",), ("report", "log"), at_once=10),
    Table("remainder", "sizes of repositories", ("run", "repository"), ("kept", "freeable")),
    Table(
        "plan",
        "plans",
        ("id",),
        ("made", "config", "summary", "content", "script", "state", "lapses", "keep"),
        at_once=10,
    ),
    Table("failing", "failing scripts", ("config", "script"), ("since",)),
)
"""The tables of the history; a row comes after those that it refers to."""
_AT_ONCE = 50
"""Manifests that are held in memory."""
_PATIENCE = 60.0
"""Seconds to wait for another process; PostgreSQL ends who does nothing for nearly as long."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. ``unreadable`` tells of saved manifests that could not be read."""

    rows: Mapping[str, int]
    manifests: int
    sightings: int
    unreadable: tuple[str, ...]


Tell = Callable[[str, int, int], None]
"""Told what is copied now, how many of them were, and how many there are."""


def copy_state(source: State, target: State, tell: Tell) -> Copied:
    """Copy a state to a place where there is none yet, and leave the source as it is.

    Nothing is in the target's history before all of it is. Raises StateInUse where somebody
    works with one of them, NotFound where there is no source, Conflict for a target that has
    something in it, UseUnknown for images in use that can't be read, and StorageError. What
    can't be read of the saved manifests is lost in the source too; the rest is copied.
    """
    if source == target:
        raise Conflict(f"{source} can't be copied to itself")
    if isinstance(source, Path) and not (source / "history.sqlite").exists():
        raise NotFound(f"there is no state in {source}")
    with ExitStack() as ending:
        for state in (source, target):
            if isinstance(state, Path):
                ending.enter_context(only_server(state))
        origin, copy = (
            ending.enter_context(open_journal(state, patience=_PATIENCE))
            for state in (source, target)
        )
        for journal in (origin, copy):
            ending.enter_context(journal.database.writing())  # so that nobody else changes it
            _require_unused(journal)
        if _has_anything(copy):
            raise Conflict(f"there is something in {target} already (name an empty place)")
        rows = _copy_tables(origin.database, copy.database, tell)
        manifests, unreadable = _copy_manifests(origin, copy, tell)
        seen = _sightings_of(origin).all()
        if seen:
            _sightings_of(copy).take_over(seen)
    return Copied(rows, manifests, len(seen), unreadable)


def _require_unused(journal: Journal) -> None:
    """Raise StateInUse where a process works with a state."""
    state = journal.state
    if isinstance(state, DatabaseUrl):
        query = f"SELECT name FROM worker WHERE until > {journal.database.now} LIMIT 1"  # noqa: S608
        for (worker,) in journal.database.rows(query):
            raise StateInUse(f"process {worker} works with {state} (stop it first)")
    records: list[RunRecord | ScriptRun] = [*journal.runs(), *journal.script_runs.all()]
    for run in records:
        if run.status == "running":
            raise StateInUse(f"run {run.id} goes on in {state} (wait for its end, or stop it)")
    for plan in journal.plans():
        if plan.state == "applying":
            raise StateInUse(f"plan {plan.id} is being applied in {state} (wait for its end)")


def _has_anything(journal: Journal) -> bool:
    has_rows = any(
        journal.database.rows(f"SELECT 1 FROM {table.name} LIMIT 1")  # noqa: S608
        for table in TABLES
    )
    return has_rows or bool(_sightings_of(journal).all())


def _sightings_of(journal: Journal) -> Sightings:
    """The sightings of a state; those in a database are a part of its transaction."""
    if isinstance(journal.state, DatabaseUrl):
        return SightingsTable(lambda: nullcontext(journal.database))
    return open_sightings(journal.state)


def _copy_tables(source: Database, target: Database, tell: Tell) -> dict[str, int]:
    """Copy the rows of all tables; how many there were of each."""
    counts = {}
    for table in TABLES:
        ((total,),) = source.rows(f"SELECT count(*) FROM {table.name}")  # noqa: S608
        columns = ", ".join(table.columns)
        marks = ", ".join("?" * len(table.columns))
        done = 0
        for rows in _rows_of(table, source):
            target.run_many(
                f"INSERT INTO {table.name} ({columns}) VALUES ({marks})",  # noqa: S608
                [[_storable(value) for value in row] for row in rows],
            )
            done += len(rows)
            tell(table.noun, done, total)
        counts[table.name] = done
    target.number_on("action")
    return counts


def _rows_of(table: Table, database: Database) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table by its key, a few at once."""
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    marks = ", ".join("?" * len(table.key))
    last: tuple[Any, ...] = ()
    while True:
        after = f"WHERE ({key}) > ({marks})" if last else ""
        rows = database.rows(
            f"SELECT {columns} FROM {table.name} {after} ORDER BY {key} LIMIT ?",  # noqa: S608
            (*last, table.at_once),
        )
        if not rows:
            return
        yield rows
        last = rows[-1][: len(table.key)]


def _storable(value: object) -> object:
    """A value as every database takes it; an older history may have others."""
    return storable(value) if isinstance(value, str) else value


def _copy_manifests(source: Journal, target: Journal, tell: Tell) -> tuple[int, tuple[str, ...]]:
    """Copy the manifests that entries need; how many, and what is wrong with the others."""
    saved = source.database.rows("SELECT DISTINCT digest, media_type FROM saved ORDER BY digest")
    copied: set[Digest] = set()
    unreadable: list[str] = []
    for begin in range(0, len(saved), _AT_ONCE):
        manifests = []
        for digest, media_type in saved[begin : begin + _AT_ONCE]:
            try:
                manifests.append(source.manifests.read(Digest.parse(digest), media_type))
            except (StorageError, InvalidValue) as error:
                unreadable.append(str(error))
        target.manifests.add(manifests)
        copied |= {manifest.digest for manifest in manifests}
        tell("manifests", min(begin + _AT_ONCE, len(saved)), len(saved))
    return len(copied), tuple(dict.fromkeys(unreadable))
