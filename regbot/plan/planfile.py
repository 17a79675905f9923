"""A plan as a file: what a dry run found, to be looked at and then applied.

JSON with a schema version. Each entry holds what its action was decided on; ``apply``
does that and nothing else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from regbot.errors import InvalidValue, RegbotError, UsageError
from regbot.events import RunResult
from regbot.files import write_out
from regbot.plan.carrying import Planned
from regbot.plan.fields import Fields, list_of, moment, text
from regbot.plan.kept import Kept
from regbot.plan.keptentries import kept_entry, kept_of, script_entry, script_of
from regbot.plan.planentries import entry_of, planned_of
from regbot.units import format_moment
from regbot.values import dataclass

SCHEMA = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    ``made`` is in seconds since 1970; ``fingerprint`` the config's. ``kept`` is what stays
    where something is deleted, ``scripts`` how the scripts ended: the actions of one that
    failed or was stopped are not in the plan.
    """

    made: float
    fingerprint: str
    actions: tuple[Planned, ...]
    kept: tuple[Kept, ...] = ()
    scripts: tuple[RunResult, ...] = ()

    @property
    def lacking(self) -> tuple[RunResult, ...]:
        """The scripts whose actions are not in the plan."""
        return tuple(script for script in self.scripts if script.status != "done")

    def warnings(self, fingerprint: str) -> Iterator[str]:
        """What the user should know before it is carried out with this config."""
        if self.fingerprint != fingerprint:
            yield "the config or its scripts changed since the plan was made"
        for script in self.lacking:
            why = "failed" if script.status == "failed" else "was stopped"
            yield f"the plan lacks the actions of {script.script}, which {why} when it was made"

    @classmethod
    def read(cls, path: str | Path, *, work_dir: str | Path = ".") -> Plan:
        """Read a plan that ``write`` or ``regbot plan`` has written.

        Archives are named from ``work_dir``. Raises UsageError for what is no plan.
        """
        return read_plan(str(path), work_dir=Path(work_dir))

    def write(self, path: str | Path, *, work_dir: str | Path = ".") -> None:
        """Write the plan as a file for ``read`` and ``regbot apply``. Raises StorageError."""
        write_plan(self, Path(path), Path(work_dir))

    def __repr__(self) -> str:
        counts = Counter(planned.action.verb for planned in self.actions)
        text = ", ".join(f"{count} {verb}" for verb, count in counts.items())
        return f"<Plan {format_moment(round(self.made))}: {text or 'no actions'}>"


def write_plan(plan: Plan, path: Path, work_dir: Path) -> None:
    """Write a plan as a whole or not at all. Raises StorageError."""
    write_out(path, plan_text(plan, work_dir).encode())


def plan_text(plan: Plan, work_dir: Path) -> str:
    """The plan as JSON; archives are named from ``work_dir``."""
    data = {
        "schema": SCHEMA,
        "made": format_moment(plan.made),
        "made_seconds": plan.made,
        "config": plan.fingerprint,
        "scripts": [script_entry(script) for script in plan.scripts],
        "actions": [entry_of(planned, work_dir) for planned in plan.actions],
        "kept": [kept_entry(kept) for kept in plan.kept],
    }
    return json.dumps(data, indent=2) + "\n"


def read_plan(path: str, *, work_dir: Path) -> Plan:
    """Read a plan from a file. Raises UsageError of one line for what is no plan."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: can't read the plan: {error.strerror}") from None
    return plan_of(content, path, work_dir=work_dir)


def plan_of(content: bytes, name: str, *, work_dir: Path) -> Plan:
    """The plan in a JSON text; ``name`` is what messages call it.

    Raises UsageError of one line for what is no plan.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError(f"{name}: not a plan: it is not JSON") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        made_by = f"it has schema {schema}, not {SCHEMA}: " if isinstance(schema, int) else ""
        raise UsageError(f"{name}: not a plan: {made_by}make it again with regbot plan")
    try:
        file = Fields({key: value for key, value in data.items() if key != "schema"})
        file.read("made", text)
        made, fingerprint = file.read("made_seconds", moment), file.read("config", text)
        scripts = file.get("scripts", list_of(script_of), ())
        kept = file.get("kept", list_of(kept_of), ())
        entries = file.read("actions", list_of(lambda entry: entry))
        file.end()
    except InvalidValue as error:
        raise UsageError(f"{name}: not a whole plan: {_printable(error)}") from None
    return Plan(made, fingerprint, tuple(_planned(name, entries, work_dir)), kept, scripts)


def _planned(path: str, entries: Iterable[object], work_dir: Path) -> Iterator[Planned]:
    for number, entry in enumerate(entries, 1):
        try:
            yield planned_of(entry, work_dir)
        except RegbotError as error:
            why = _printable(error)
            raise UsageError(f"{path}: action {number} can't be read: {why}") from None


def _printable(error: RegbotError) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(error))
