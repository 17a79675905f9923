"""Units and their results as bytes for a database, and back.

Compressed JSON with a schema version. What guards, reports, tables and the history use of
an outcome is in it; what a script returns is not, since nobody can ask for that.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from regbot.errors import InvalidValue, RegbotError, StorageError
from regbot.events import Ending, LeftBehind
from regbot.plan.fields import string
from regbot.plan.outcomeentries import FLAG, KEPT, NUMBER, REFERENCE, TEXT, Entries, one_of
from regbot.plan.shapes import Part, Shape, many
from regbot.run.repositories import Place
from regbot.run.unit import Kind, Unit, UnitResult

Value = TypeVar("Value")

SCHEMA = 1
"""The number of the form in which units, their results and what a run is about are written.

Another form has another number: whoever knows it not leaves such units alone, see
``cluster.units.key_of``.
"""
LARGEST = 1 << 30
"""Bytes of JSON; what claims to be more is not unpacked."""

_LEFT_BEHIND = Shape(LeftBehind, {"reference": TEXT, "digest": TEXT})
_PLACE = Shape(Place, {"repository": REFERENCE, "is_named": FLAG})


def _failures(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise InvalidValue("an object is expected")
    return {string(name): string(why) for name, why in value.items()}


class UnitEntries:
    """The bytes of units and results; archives are named from ``work_dir``."""

    def __init__(self, work_dir: Path) -> None:
        entries = Entries(work_dir)
        plan = many(entries.planned)
        self._units = Shape(
            Unit,
            {
                "id": TEXT,
                "run": TEXT,
                "script": TEXT,
                "kind": one_of(*get_args(Kind)),
                "repository": TEXT,
                "is_named": FLAG,
                "dry_run": FLAG,
                "evidence": FLAG,
                "whole": FLAG,
                "plan": plan,
            },
        )
        self._results = Shape(
            UnitResult,
            {
                "status": one_of(*get_args(Ending)),
                "error": TEXT,
                "guarded": FLAG,
                "outcomes": many(entries.outcome),
                "kept": many(KEPT.part),
                "seconds": NUMBER,
                "places": many(_PLACE.part),
                "failures": Part(dict, _failures),
                "parts": many(plan),
                "left_behind": many(_LEFT_BEHIND.part),
            },
        )

    def of_unit(self, unit: Unit) -> bytes:
        """The bytes of a unit. Raises StorageError for a plan that can't be held."""
        return _packed(self._units.write(unit))

    def unit(self, content: bytes) -> Unit:
        """The unit in some bytes. Raises StorageError of one line for what is none."""
        return _unpacked(content, self._units, "a unit")

    def of_result(self, result: UnitResult) -> bytes:
        """The bytes of a result. Raises as ``of_unit`` does."""
        return _packed(self._results.write(result))

    def result(self, content: bytes) -> UnitResult:
        """The result in some bytes. Raises as ``unit`` does."""
        return _unpacked(content, self._results, "the result of a unit")


def _packed(data: Mapping[str, Any]) -> bytes:
    text = json.dumps({"schema": SCHEMA, **data}, separators=(",", ":"))
    return zlib.compress(text.encode())


def _unpacked(content: bytes, shape: Shape[Value], what: str) -> Value:
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(content, LARGEST)
        if not unpacking.eof:
            raise InvalidValue("it is cut off or too large")
        data = json.loads(text)
        schema = data.pop("schema", None) if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise InvalidValue(f"it has schema {schema!r}, and this regbot knows {SCHEMA}")
        return shape.read(data)
    except (zlib.error, ValueError, RecursionError) as error:
        why = "it is not compressed JSON"
        raise StorageError(f"{what} can't be read: {why}") from error
    except RegbotError as error:
        why = "".join(character if character.isprintable() else "?" for character in str(error))
        raise StorageError(f"{what} can't be read: {why}") from None
