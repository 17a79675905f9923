"""A report for programs. Times are RFC 3339, durations seconds, sizes bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from regbot.report.model import Report
from regbot.report.shown import moment

SCHEMA_VERSION = 1
"""Goes up when a field goes or changes its meaning; new fields may come any time."""

_MOMENTS = ("started", "finished", "created")


def as_json(report: Report) -> str:
    """The report as JSON in ASCII, with null for what is not known."""
    counts = {
        "schemaVersion": SCHEMA_VERSION,
        "counts": report.counts,
        "bytesKnown": report.bytes_known,
        "repositoriesUnknown": report.lines_unknown,
    }
    return json.dumps({**counts, **_object(asdict(report))}, indent=2) + "\n"


def _object(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_camel(name): _value(name, value) for name, value in fields.items()}


def _value(name: str, value: object) -> object:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, tuple):
        return [_value("", one) for one in value]
    if name in _MOMENTS and isinstance(value, int | float):
        return moment(value)
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
