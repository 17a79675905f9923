"""Runs scripts when they are due, a limited number at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import MappingProxyType

from regbot.config.values import Script
from regbot.errors import Stopped, text_of
from regbot.events import Emit, Level, Message, RunResult
from regbot.run.schedule import Due
from regbot.run.timetable import Timetable, Turn
from regbot.stopping import Stop

RunScript = Callable[[Script], RunResult]
RunTurn = Callable[[Turn], object]
Now = Callable[[], datetime]

_LONGEST_SLEEP = 1.0
"""Seconds; a clock that was set, or a new config, is noticed after that."""
_NEVER: Mapping[str, datetime] = MappingProxyType({})


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def run_all(
    scripts: Sequence[Script], run: RunScript, *, parallel: int, stop: Stop
) -> list[RunResult]:
    """Run each script once, ``parallel`` at a time. Returns the results in order.

    After a stop no other script begins; those that did not begin count as stopped.
    """

    def begin(script: Script) -> RunResult:
        is_over = isinstance(stop.reason(), Stopped)
        return RunResult(script.name, "stopped", "not begun") if is_over else run(script)

    with ThreadPoolExecutor(max(1, parallel), thread_name_prefix="script") as pool:
        return list(pool.map(begin, scripts))


class Scheduler:
    """Runs scripts when they are due, until it is stopped.

    ``before`` is when the last run of a script was due, by the script's name.
    """

    def __init__(
        self,
        scripts: Sequence[tuple[Script, Due]],
        run: RunTurn,
        *,
        parallel: int,
        stop: Stop,
        emit: Emit,
        now: Now = utc_now,
        before: Mapping[str, datetime] = _NEVER,
    ) -> None:
        self._run = run
        self._most = max(1, parallel)
        self._stop = stop
        self._emit = emit
        self._now = now
        self._lock = threading.Lock()
        self._is_serving = False
        self._timetable = Timetable(scripts, now(), emit, before)
        self._threads: set[threading.Thread] = set()

    def serve(self) -> None:
        """Run scripts until stopped, then wait for those still running."""
        try:
            self._emit(Message("info", "server started", {"scripts": self._timetable.size}))
            self._is_serving = True
            self._begin_due(at_start=True)
            while True:
                self._stop.wait(self._seconds_to_next())
                self._begin_due()
        except Stopped:
            self._emit(Message("info", "stopping, waiting for the scripts that run"))
        finally:
            with self._lock:
                self._is_serving = False
                threads = set(self._threads)
            for thread in threads:
                thread.join()

    def change(self, scripts: Sequence[tuple[Script, Due]], parallel: int) -> None:
        """Go on with these scripts, so many at a time. What runs is not touched."""
        with self._lock:
            self._most = max(1, parallel)
            self._timetable.advance(self._now())
            for turn in self._timetable.change(scripts):
                self._announce(turn, "info")
            self._begin_waiting()

    def ask(self, turn: Turn) -> bool:
        """Run this as soon as its turn comes; False if the same waits for that already.

        Raises Stopped once the server ends.
        """
        self._stop.check()
        with self._lock:
            is_new = self._timetable.ask(turn)
            self._begin_waiting()
        return is_new

    def has_plan(self, plan: str) -> bool:
        """Whether a plan waits to be applied, or is being applied."""
        with self._lock:
            return self._timetable.has_plan(plan)

    def now(self) -> datetime:
        """The time by the clock of the schedules."""
        return self._now()

    def overview(self) -> tuple[Mapping[str, Turn], set[str]]:
        """The next run of each script by its name, and the scripts of which a run waits."""
        with self._lock:
            upcoming = {turn.script.name: turn for turn in self._timetable.upcoming}
            return upcoming, self._timetable.waiting

    def _seconds_to_next(self) -> float:
        earliest = min(turn.at for turn in self._timetable.upcoming)
        return min(_LONGEST_SLEEP, max(0.0, (earliest - self._now()).total_seconds()))

    def _begin_due(self, *, at_start: bool = False) -> None:
        with self._lock:
            come = self._timetable.advance(self._now())
            for turn in self._timetable.upcoming if at_start else come:
                self._announce(turn, "info" if at_start else "debug")
            self._begin_waiting()

    def _begin_waiting(self) -> None:
        """Begin the runs that wait, as far as there is room. Call it with the lock."""
        while len(self._threads) < self._most and self._is_serving and not self._stop.asked:
            turn = self._timetable.take()
            if not turn:
                return
            thread = threading.Thread(target=self._carry_out, args=[turn], name="script")
            self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError as error:  # the machine has no room for another thread
                self._threads.discard(thread)
                self._timetable.ended(turn)
                self._emit(Message("error", f"run failed: {error}", {"script": turn.script.name}))

    def _carry_out(self, turn: Turn) -> None:
        """Run a script whose turn it is, and begin those that waited for that."""
        try:
            self._run(turn)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            text = f"run failed: {text_of(error)}"
            self._emit(Message("error", text, {"script": turn.script.name}))
        finally:
            with self._lock:
                self._timetable.ended(turn)
                self._threads.discard(threading.current_thread())
                self._begin_waiting()

    def _announce(self, turn: Turn, level: Level) -> None:
        """Log when a script begins, in the time zone of its schedule."""
        due = turn.due.isoformat(timespec="seconds")
        fields = {
            "script": turn.script.name,
            "next": turn.at.isoformat(timespec="seconds"),
            "zone": str(turn.due.tzinfo),
            **({"due": due} if turn.at != turn.due else {}),
        }
        self._emit(Message(level, "scheduled", fields))
