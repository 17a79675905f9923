"""The log on standard error: one line for each event, as logfmt or JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, Protocol, get_args

from regbot.events import (
    Delayed,
    Emit,
    Ending,
    Event,
    Exchanged,
    LeftBehind,
    Level,
    Message,
    RunEnded,
    RunMissed,
    RunStarted,
    ScriptEnded,
    ScriptStarted,
)
from regbot.plan.outcome import ActionDone, Status

Format = Literal["logfmt", "json", "terminal"]
Seen = Literal["no", "live", "table"]
"""What a person sees besides the log: what is done now and a summary at the end, or, with a
table, also each action."""
Value = str | int | float | bool
Fields = Mapping[str, Value]

_RANKS: Mapping[Level, int] = {level: rank for rank, level in enumerate(get_args(Level))}
_FIRST_KEYS = ("time", "level", "msg")
_OF_ACTIONS: Mapping[Status, Level] = {"failed": "error", "stopped": "warn", "skipped": "warn"}
_OF_EVENTS: Mapping[type[Event], Level] = {
    Exchanged: "trace",
    Delayed: "debug",
    RunStarted: "debug",
    ScriptStarted: "info",
    RunMissed: "warn",
    LeftBehind: "error",
}
_REASONS = ("error", "reason", "detail")
_STYLES = {"WARN": "\x1b[33m", "ERROR": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"
OF_ENDINGS: Mapping[Ending, Level] = {"done": "info", "stopped": "warn", "failed": "error"}


class Writable(Protocol):
    """Where lines are written."""

    def write(self, text: str, /) -> object:
        """Write whole lines."""
        ...

    def flush(self) -> None:
        """Have them there."""
        ...


def make_log(
    minimum: Level, form: Format, stream: Writable | None = None, *, seen: Seen = "no"
) -> Emit:
    """A listener that writes a line for each event of at least the ``minimum`` level.

    What a person has ``seen`` anyway, by the end, needs no line.
    """
    render = {"json": _json, "logfmt": _logfmt, "terminal": _terminal}[form]
    out = stream or sys.stderr
    lowest = _RANKS[minimum]

    def emit(event: Event) -> None:
        level = "debug" if _is_seen(event, seen) else level_of(event)
        if level is not None and _RANKS[level] >= lowest:
            # A log that nobody reads any more must not end work half-way.
            with suppress(OSError, ValueError):
                out.write(render(_line(level, *_content(event))) + "\n")
                out.flush()

    return emit


def _is_seen(event: Event, seen: Seen) -> bool:
    if seen == "no":
        return False
    match event:
        case ScriptStarted() | RunEnded() | ScriptEnded(status="done"):
            return True
        case ActionDone():
            status = event.outcome.status
            return status == "planned" or (seen == "table" and status not in _OF_ACTIONS)
    return False


def level_of(event: Event) -> Level | None:
    """The level of an event's line; None for one that has no line."""
    match event:
        case Message():
            return event.level
        case ActionDone(is_trial=True):
            return "debug"
        case ActionDone():
            return _OF_ACTIONS.get(event.outcome.status, "info")
        case ScriptEnded():
            return OF_ENDINGS[event.status]
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
            text = "script finished" if event.status == "done" else f"script {event.status}"
            return text, {
                "script": event.script,
                **({"error": event.error} if event.error else {}),
                "seconds": round(event.seconds, 3),
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


def _line(level: Level, text: str, fields: Fields) -> Fields:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    printable = {_key(name): _printable(value) for name, value in fields.items()}
    return {
        "time": now,
        "level": level.upper(),
        "msg": _printable(text),
        **{name: value for name, value in printable.items() if name not in _FIRST_KEYS},
    }


def _json(line: Fields) -> str:
    return json.dumps(line, ensure_ascii=False)


def _logfmt(line: Fields) -> str:
    return " ".join(f"{key}={_logfmt_value(value)}" for key, value in line.items())


def _terminal(line: Fields) -> str:
    """A line for a person: the time of day, where, what, why, and the other fields.

    The level is shown if it is not the usual one, and only then the digest.
    """
    others = {key: value for key, value in line.items() if key not in _FIRST_KEYS}
    level = str(line["level"])
    if level == "INFO":
        others.pop("digest", None)
    where = [f"{others.pop(key)}:" for key in ("script", "repository") if key in others]
    text = [str(line["msg"]), *(str(others.pop(key)) for key in ("image",) if key in others)]
    why = "; ".join(str(others.pop(key)) for key in _REASONS if key in others)
    clock = datetime.now().astimezone().strftime("%H:%M:%S")
    words = " ".join([clock, *_styled(level), *where, *text])
    return "  ".join(filter(None, (words, why, _logfmt(others))))


def _styled(level: str) -> list[str]:
    """An unusual level, in its colour."""
    style = "" if os.environ.get("NO_COLOR") else _STYLES.get(level, "")
    return [] if level == "INFO" else [f"{style}{level}{_PLAIN if style else ''}"]


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
