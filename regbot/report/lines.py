"""The line of the log that an event gets: its level, its text and its fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from regbot.events import (
    Delayed,
    Ending,
    Event,
    Exchanged,
    InRun,
    Kinds,
    LeftBehind,
    Level,
    Message,
    RunEnded,
    RunMissed,
    RunStarted,
    ScriptEnded,
    ScriptStarted,
    bare,
)
from regbot.plan.outcome import ActionDone, Status

Value = str | int | float | bool
Fields = Mapping[str, Value]

FIRST_KEYS = ("time", "level", "msg")
"""What every line has; its other fields are those of the event."""
OF_STATUSES: Mapping[Status, Level] = {"failed": "error", "stopped": "warn", "skipped": "warn"}
"""The levels of actions that did not go well."""
OF_ENDINGS: Mapping[Ending, Level] = {"done": "info", "stopped": "warn", "failed": "error"}
_OF_EVENTS: Mapping[type[Event], Level] = {
    Exchanged: "trace",
    Delayed: "debug",
    RunStarted: "debug",
    ScriptStarted: "info",
    RunMissed: "warn",
    LeftBehind: "error",
}


_OF_EACH = frozenset({Message, ActionDone, ScriptEnded, RunEnded})
"""The kinds of events whose level depends on the event."""


def kinds_from(lowest: Level) -> Kinds:
    """The kinds of events that may have a line of this level or a higher one."""
    levels: tuple[Level, ...] = get_args(Level)
    enough = levels[levels.index(lowest) :]
    return _OF_EACH | {kind for kind, level in _OF_EVENTS.items() if level in enough}


def level_of(event: Event) -> Level | None:
    """The level of an event's line; None for one that has no line."""
    event = bare(event)
    match event:
        case Message():
            return event.level
        case ActionDone(is_trial=True):
            return "debug"
        case ActionDone():
            return OF_STATUSES.get(event.outcome.status, "info")
        case ScriptEnded():
            return OF_ENDINGS[event.result.status]
        case RunEnded():
            return "info" if event.id else "debug"
    return _OF_EVENTS.get(type(event))


def _content(event: Event) -> tuple[str, Fields]:
    """The text and the fields of an event's line."""
    match event:
        case Message():
            return event.text, event.fields
        case Exchanged():
            return "exchanged", {
                "method": event.method,
                "url": event.url,
                "status": event.status,
                "seconds": round(event.seconds, 3),
            }
        case Delayed():
            seconds = round(event.seconds, 3)
            return "waiting", {"host": event.host, "seconds": seconds, "why": event.why}
        case ActionDone():
            return _action(event)
        case LeftBehind():
            text = "the tag is left on a placeholder: put the digest back on it"
            return text, {"image": event.reference, "digest": event.digest}
    return _of_run(event)


def _of_run(event: Event) -> tuple[str, Fields]:
    """The text and the fields of what is said of a run as a whole."""
    match event:
        case RunMissed():
            due = event.due.isoformat(timespec="seconds")
            kind = "runs late" if event.is_late else "skipped"
            return f"{kind}: {event.why}", {"script": event.script, "due": due}
        case ScriptStarted():
            return "script started", {"script": event.script, **_dry_run(on=event.dry_run)}
        case ScriptEnded():
            result = event.result
            text = "script finished" if result.status == "done" else f"script {result.status}"
            return text, {
                "script": result.script,
                **({"error": result.error} if result.error else {}),
                "seconds": round(result.seconds, 3),
                **_dry_run(on=event.dry_run),
            }
        case RunStarted():
            return "run started", {"command": event.kind, **_dry_run(on=event.dry_run)}
        case RunEnded():
            text = "kept in the history" if event.id else "run ended"
            return text, {
                "command": event.kind,
                "status": event.status,
                **({"run": event.id} if event.id else {}),
                "seconds": round(event.seconds, 3),
                **_dry_run(on=event.dry_run),
            }
    return type(event).__name__, {}


def _action(event: ActionDone) -> tuple[str, Fields]:
    outcome = event.outcome
    action = outcome.action
    tags = ", ".join(outcome.evidence.tags) if outcome.evidence else ""
    optional = {
        "digest": str(outcome.digest or ""),
        "tags": tags,
        "reason": action.reason,
        "detail": outcome.detail,
    }
    is_usual = outcome.status in ("done", "planned")
    return action.verb if is_usual else f"{action.verb}: {outcome.status}", {
        "script": outcome.script,
        "image": str(action.reference),
        **{name: value for name, value in optional.items() if value},
        **_dry_run(on=event.dry_run),
    }


def _dry_run(*, on: bool) -> Fields:
    return {"dry-run": True} if on else {}


def line_of(event: Event, level: Level, at: datetime) -> Fields:
    """The line of an event at a time in UTC, with its run and script, if it has any.

    What is unprintable is escaped.
    """
    text, fields = _content(bare(event))
    if isinstance(event, InRun):
        script = {"script": event.script} if event.script else {}
        run = {"run": event.run} if event.run else {}
        fields = {**script, **fields, **run}
    printable = {_key(name): _printable(value) for name, value in fields.items()}
    return {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level.upper(),
        "msg": _printable(text),
        **{name: value for name, value in printable.items() if name not in FIRST_KEYS},
    }


def logfmt(line: Fields) -> str:
    """Fields as logfmt."""
    return " ".join(f"{key}={_logfmt_value(value)}" for key, value in line.items())


def _logfmt_value(value: Value) -> str:
    """A value as logfmt has it: quoted where it is empty or has a space, ``=`` or ``"``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text and not any(c in text for c in ' ="'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(name: str) -> str:
    return "".join(c if c.isprintable() and c not in ' ="' else "_" for c in name) or "_"


def _printable(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    readable = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else _escaped(c) for c in readable)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
