"""A plan as a file: what a dry run found, to be looked at and then applied.

JSON with a schema version. Each entry holds what its action was decided on; ``apply``
does that and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, ValidationError

from regbot.errors import RegbotError, UsageError
from regbot.files import write_out, writing
from regbot.plan.carrying import Planned
from regbot.plan.planentries import AnyEntry, BlobOf, action_of, entry_of
from regbot.units import format_moment
from regbot.values import dataclass

SCHEMA = 2

_LATEST = 1e12


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. ``made`` is in seconds since 1970; ``fingerprint`` the config's."""

    made: float
    fingerprint: str
    actions: tuple[Planned, ...]


class _File(BaseModel):
    """The file as a whole."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    version: Literal[2] = Field(default=2, alias="schema")
    made: str
    made_seconds: float = Field(ge=0, lt=_LATEST, allow_inf_nan=False)
    config: str
    actions: list[Annotated[AnyEntry, Discriminator("action")]]


def write_plan(plan: Plan, path: Path, work_dir: Path) -> None:
    """Write a plan as a whole or not at all. Raises StorageError."""
    with writing(path):
        write_out(path, plan_text(plan, work_dir).encode())


def plan_text(plan: Plan, work_dir: Path) -> str:
    """The plan as JSON; archives are named from ``work_dir``."""
    file = _File(
        made=format_moment(plan.made),
        made_seconds=plan.made,
        config=plan.fingerprint,
        actions=[entry_of(planned, work_dir) for planned in plan.actions],
    )
    data = file.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2) + "\n"


def read_plan(path: str, *, work_dir: Path, blob_of: BlobOf) -> Plan:
    """Read a plan. Raises UsageError of one line for what is no plan."""
    try:
        data = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: can't read the plan: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: not a plan: it is not JSON") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        made_by = f"it has schema {schema}, not {SCHEMA}: " if isinstance(schema, int) else ""
        raise UsageError(f"{path}: not a plan: {made_by}make it again with regbot plan")
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_mistake(error)}") from None
    actions = _planned(path, file.actions, work_dir, blob_of)
    return Plan(file.made_seconds, file.config, tuple(actions))


def _planned(
    path: str, entries: Iterable[AnyEntry], work_dir: Path, blob_of: BlobOf
) -> Iterator[Planned]:
    for number, entry in enumerate(entries, 1):
        try:
            action = action_of(entry, work_dir, blob_of)
        except RegbotError as error:
            raise UsageError(f"{path}: action {number} can't be read: {error}") from None
        yield Planned(entry.script, action, entry.created_seconds, entry.size)


def _first_mistake(error: ValidationError) -> str:
    mistake = error.errors(include_url=False)[0]
    place, what = mistake["loc"], mistake["msg"]
    if mistake["type"] == "union_tag_invalid":
        what = f"there is no action {mistake['ctx']['tag']!r}"
    if place[0] != "actions" or len(place) == 1:
        line = f"not a whole plan: {place[0]}: {what}"
    else:
        keys = [str(key) for key in place[3:]]
        line = ": ".join([f"action {int(place[1]) + 1} can't be read", *keys, what])
    return "".join(character if character.isprintable() else "?" for character in line)
