"""Runs scripts when they are due, a limited number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from regbot.config.values import Script
from regbot.errors import Stopped
from regbot.events import Emit, Level, Message
from regbot.run.schedule import Due
from regbot.run.services import RunResult
from regbot.stopping import Stop
from regbot.values import dataclass

RunScript = Callable[[Script], RunResult]
Now = Callable[[], datetime]

_LONGEST_SLEEP = 30.0
"""Seconds; a clock that was set while waiting is noticed after that."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def run_all(
    scripts: Sequence[Script], run: RunScript, *, parallel: int, stop: Stop
) -> list[RunResult]:
    """Run each script once, ``parallel`` at a time. Returns the results in order.

    After a stop no other script begins; those that did not begin count as stopped.
    """

    def begin(script: Script) -> RunResult:
        return RunResult(script.name, "stopped", "not begun") if stop.asked else run(script)

    with ThreadPoolExecutor(max(1, parallel), thread_name_prefix="script") as pool:
        return list(pool.map(begin, scripts))


@dataclass(slots=True)
class _Entry:
    script: Script
    rule: Due
    due: datetime
    running: Future[RunResult] | None = None


class Scheduler:
    """Runs scripts when they are due, until it is stopped."""

    def __init__(
        self,
        scripts: Sequence[tuple[Script, Due]],
        run: RunScript,
        *,
        parallel: int,
        stop: Stop,
        emit: Emit,
        now: Now = _utc_now,
    ) -> None:
        self._run = run
        self._parallel = max(1, parallel)
        self._stop = stop
        self._emit = emit
        self._now = now
        begin = now()
        self._entries = [_Entry(script, rule, rule.next(begin)) for script, rule in scripts]

    def serve(self) -> None:
        """Run scripts until stopped, then wait for those still running."""
        for entry in self._entries:
            self._announce(entry, "info")
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="script") as pool:
            try:
                while True:
                    self._stop.wait(self._seconds_to_next())
                    self._begin_due(pool)
            except Stopped:
                self._emit(Message("info", "stopping, waiting for the scripts that run"))
            begun = [entry.running for entry in self._entries if entry.running]
            wait([running for running in begun if not running.cancel()])

    def _seconds_to_next(self) -> float:
        earliest = min(entry.due for entry in self._entries)
        return min(_LONGEST_SLEEP, max(0.0, (earliest - self._now()).total_seconds()))

    def _begin_due(self, pool: ThreadPoolExecutor) -> None:
        now = self._now()
        for entry in self._entries:
            if entry.due > now:
                continue
            entry.due = entry.rule.next(now)
            if entry.running and not entry.running.done():
                self._skip(entry)
            else:
                entry.running = pool.submit(self._run, entry.script)
            self._announce(entry, "debug")

    def _skip(self, entry: _Entry) -> None:
        is_going = entry.running is not None and entry.running.running()
        why = "is still going" if is_going else "waits for its turn"
        fields: dict[str, str | int] = {
            "script": entry.script.name,
            "parallel": self._parallel,
        }
        self._emit(Message("warn", f"skipped: the last run {why}", fields))

    def _announce(self, entry: _Entry, level: Level) -> None:
        """Log when a script is due, in the time zone of its schedule."""
        fields = {
            "script": entry.script.name,
            "next": entry.due.isoformat(timespec="seconds"),
            "zone": str(entry.due.tzinfo),
        }
        self._emit(Message(level, "scheduled", fields))
