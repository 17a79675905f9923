"""The entries of a plan file about what stays, and about the scripts that were run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

from regbot.errors import InvalidValue
from regbot.events import Ending, RunResult
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.fields import Fields, escaped, moment, nullable, parsed, switch, text
from regbot.plan.kept import Kept
from regbot.store.layout import absolute

_reference = parsed(partial(Reference.parse, default_tag=None))
_digest = parsed(Digest.parse)


def kept_entry(kept: Kept) -> Mapping[str, Any]:
    """What stays, as it stands in the file."""
    return {
        "script": escaped(kept.script),
        "reference": str(absolute(kept.reference)),
        "digest": str(kept.digest) if kept.digest else None,
        "reason": escaped(kept.reason),
        "asked": kept.asked,
    }


def kept_of(entry: object) -> Kept:
    """What an entry says that stays. Raises InvalidValue."""
    fields = Fields(entry)
    kept = Kept(
        fields.read("script", text),
        fields.read("reference", _reference),
        fields.read("reason", text),
        fields.get("digest", nullable(_digest), None),
        fields.get("asked", switch, False),
    )
    fields.end()
    return kept


def script_entry(script: RunResult) -> Mapping[str, Any]:
    """How a script ended, as it stands in the file."""
    return {
        "script": escaped(script.script),
        "status": script.status,
        "error": escaped(script.error),
        "seconds": round(script.seconds, 3),
    }


def script_of(entry: object) -> RunResult:
    """How an entry says that a script ended. Raises InvalidValue."""
    fields = Fields(entry)
    script = RunResult(
        fields.read("script", text),
        fields.read("status", _ending),
        fields.get("error", text, ""),
        fields.get("seconds", moment, 0.0),
    )
    fields.end()
    return script


def _ending(value: object) -> Ending:
    for ending in get_args(Ending):
        if value == ending:
            return ending  # type: ignore[no-any-return]
    raise InvalidValue(f"one of {', '.join(get_args(Ending))} is expected")
