"""The log on standard error: one line for each event, as logfmt or JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Protocol, get_args

from regbot.events import (
    Emit,
    Event,
    Hearing,
    InRun,
    Level,
    RunEnded,
    RunResult,
    ScriptEnded,
    ScriptStarted,
    bare,
)
from regbot.plan.outcome import ActionDone
from regbot.report.lines import (
    FIRST_KEYS,
    OF_STATUSES,
    Fields,
    kinds_from,
    level_of,
    line_of,
    logfmt,
)

Format = Literal["logfmt", "json", "terminal"]
Seen = Literal["no", "live", "table", "command"]
"""What a person sees besides the log: what is done now and a summary at the end, or, with a
table, also each action. A command tells itself why it failed."""

_RANKS: Mapping[Level, int] = {level: rank for rank, level in enumerate(get_args(Level))}
_REASONS = ("error", "reason", "detail")
_STYLES = {"WARN": "\x1b[33m", "ERROR": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"


class Writable(Protocol):
    """Where lines are written."""

    def write(self, text: str, /) -> object:
        """Write whole lines."""
        ...

    def flush(self) -> None:
        """Have them there."""
        ...


def make_log(
    minimum: Level,
    form: Format,
    stream: Writable | None = None,
    *,
    seen: Seen = "no",
    many_runs: bool = False,
) -> Emit:
    """A listener that writes a line for each event of at least the ``minimum`` level.

    What a person has ``seen`` anyway, by the end, needs no line. A line names its run; on a
    terminal it does so only where there are ``many_runs``.
    """
    names_run = many_runs or form != "terminal"
    render = {"json": _json, "logfmt": logfmt, "terminal": _terminal}[form]
    out = stream or sys.stderr
    lowest = _RANKS[minimum]

    def emit(event: Event) -> None:
        happened = bare(event)
        level = "debug" if _is_seen(happened, seen) else level_of(happened)
        if level is not None and _RANKS[level] >= lowest:
            if isinstance(event, InRun) and not names_run:
                event = replace(event, run="")
            # A log that nobody reads any more must not end work half-way.
            with suppress(OSError, ValueError):
                out.write(render(line_of(event, level, datetime.now(UTC))) + "\n")
                out.flush()

    return Hearing(emit, kinds_from(minimum))


def _is_seen(event: Event, seen: Seen) -> bool:
    if seen == "no":
        return False
    match event:
        case ScriptEnded() if seen == "command":
            return True
        case ActionDone() if seen == "command":
            return event.outcome.status in ("planned", "failed")
        case ScriptStarted() | RunEnded() | ScriptEnded(result=RunResult(status="done")):
            return True
        case ActionDone():
            status = event.outcome.status
            return status == "planned" or (seen == "table" and status not in OF_STATUSES)
    return False


def _json(line: Fields) -> str:
    return json.dumps(line, ensure_ascii=False)


def _terminal(line: Fields) -> str:
    """A line for a person: the time of day, where, what, why, and the other fields.

    The level is shown if it is not the usual one, and only then the digest.
    """
    others = {key: value for key, value in line.items() if key not in FIRST_KEYS}
    level = str(line["level"])
    if level == "INFO":
        others.pop("digest", None)
    where = [f"{others.pop(key)}:" for key in ("script", "repository") if key in others]
    text = [str(line["msg"]), *(str(others.pop(key)) for key in ("image",) if key in others)]
    why = "; ".join(str(others.pop(key)) for key in _REASONS if key in others)
    clock = datetime.now().astimezone().strftime("%H:%M:%S")
    words = " ".join([clock, *_styled(level), *where, *text])
    return "  ".join(filter(None, (words, why, logfmt(others))))


def _styled(level: str) -> list[str]:
    """An unusual level, in its colour."""
    style = "" if os.environ.get("NO_COLOR") else _STYLES.get(level, "")
    return [] if level == "INFO" else [f"{style}{level}{_PLAIN if style else ''}"]
