"""A report for programs. Times are in RFC 3339, durations in seconds, sizes in bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from regbot.report.model import Report
from regbot.report.shown import moment

SCHEMA_VERSION = 1
"""Increases when a field is removed or changes its meaning. Fields may be added any time."""

_MOMENTS = ("started", "finished", "created")
_LEFT_OUT = ("value", "guarded")
"""What a script returned is for its caller, and why a guard stopped it is its error."""


def as_json(report: Report) -> str:
    """The report as JSON in ASCII. Unknown values are null."""
    counts = {
        "schemaVersion": SCHEMA_VERSION,
        "counts": report.counts,
        "bytesKnown": report.bytes_known,
        "repositoriesUnknown": report.lines_unknown,
    }
    return json.dumps({**counts, **_object(asdict(report))}, indent=2) + "\n"


def _object(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _camel(name): _value(name, value) for name, value in fields.items() if name not in _LEFT_OUT
    }


def _value(name: str, value: object) -> object:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, tuple):
        return [_value("", item) for item in value]
    if name in _MOMENTS and isinstance(value, int | float):
        return moment(value)
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
