"""What happens now: the log lines of runs that are going, for pages and those who look at them.

It listens to the events of a server. Who looks gets them through a queue of a limited length,
so that a slow reader loses some and keeps nobody waiting. At its end a run leaves its page in
the journal, or here if that can't be.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime

from regbot.errors import InternalError, StorageError
from regbot.events import Emit, Event, InRun, Message, RunMissed, ignore
from regbot.journal.journal import Journal
from regbot.journal.records import Remainder, RunPage, ScriptRun
from regbot.report.as_html import as_html
from regbot.report.lines import Fields, Value, level_of, line_of
from regbot.report.model import Report
from regbot.run.service_events import (
    ConfigRefused,
    ConfigReloaded,
    PlanLapsed,
    PlanWaits,
    ScriptRunEnded,
    ScriptRunLeft,
    ScriptRunStarted,
)
from regbot.values import dataclass

MOST_LINES = 1000
"""Log lines of a run that are kept: the last ones."""
MOST_READERS = 8
"""Who may look at a time; each takes a thread."""
_QUEUE = 500
"""What waits for a reader, at most."""
_LONGEST = 2000
"""Characters of a text in a line; what is longer is cut."""
_MOST_RECENT = 20
"""Runs that are remembered here."""
_LEVELS = ("info", "warn", "error")


@dataclass(frozen=True, slots=True)
class News:
    """What a reader is told next.

    It is a ``line`` of the run, or how many lines are ``lost`` because the reader was slow,
    or that something changed, or that the run has ended.
    """

    line: Fields | None = None
    lost: int = 0
    has_ended: bool = False


class Reader:
    """Somebody who looks at a run, or at all scripts if ``run`` is empty.

    ``lines`` are those that the run had when they began to look. What comes after that waits
    here until it is read; of too many lines the oldest are lost.
    """

    def __init__(self, run: str, lines: tuple[Fields, ...]) -> None:
        self.run = run
        self.lines = lines
        self._condition = threading.Condition()
        self._waiting: deque[Fields] = deque()
        self._lost = 0
        self._has_changed = False
        self._has_ended = False

    def add(self, line: Fields) -> None:
        """There is another line."""
        with self._condition:
            self._waiting.append(line)
            if len(self._waiting) > _QUEUE:
                self._waiting.popleft()
                self._lost += 1
            self._condition.notify()

    def change(self) -> None:
        """Something changed."""
        with self._condition:
            self._has_changed = True
            self._condition.notify()

    def end(self) -> None:
        """The run has ended."""
        with self._condition:
            self._has_ended = True
            self._condition.notify()

    def next(self, seconds: float) -> News | None:
        """What comes next, or None if nothing comes within this time."""
        with self._condition:
            if self._has_news() or self._condition.wait_for(self._has_news, seconds):
                return self._taken()
        return None

    def _has_news(self) -> bool:
        return bool(self._lost or self._waiting or self._has_changed or self._has_ended)

    def _taken(self) -> News:
        if self._lost:
            lost, self._lost = self._lost, 0
            return News(lost=lost)
        if self._waiting:
            return News(self._waiting.popleft())
        ended, self._has_changed, self._has_ended = self._has_ended, False, False
        return News(has_ended=ended)


@dataclass(slots=True)
class _Going:
    """A run that is going, and its last lines."""

    run: ScriptRun
    lines: deque[Fields] = field(default_factory=lambda: deque(maxlen=MOST_LINES))


class Live:
    """What happens in a server; threads may share it.

    ``clock`` gives the time in seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._journal: Journal | None = None
        self._emit: Emit = ignore
        self._clock = clock
        self._lock = threading.Lock()
        self._going: dict[str, _Going] = {}
        self._recent: OrderedDict[str, tuple[ScriptRun, RunPage]] = OrderedDict()
        self._missed: dict[str, RunMissed] = {}
        self._readers: list[Reader] = []

    def keep_in(self, journal: Journal | None, emit: Emit) -> None:
        """Keep pages in a journal, and tell where that fails."""
        self._journal, self._emit = journal, emit

    def listen(self, event: Event) -> None:
        """Be told of an event."""
        match event:
            case InRun():
                self._note(event)
            case ScriptRunStarted():
                with self._lock:
                    self._going[event.run.id] = _Going(event.run)
                    self._missed.pop(event.run.script, None)
                    self._tell_all()
            case ScriptRunEnded():
                self._end(event.run, event.report)
            case ScriptRunLeft():
                with self._lock:
                    self._forget(event.run)
            case RunMissed():
                with self._lock:
                    self._missed[event.script] = event
                    self._tell_all()
            case PlanWaits() | PlanLapsed() | ConfigReloaded() | ConfigRefused():
                with self._lock:
                    self._tell_all()

    def _note(self, event: InRun) -> None:
        level = level_of(event.event)
        if level not in _LEVELS:
            return
        with self._lock:
            going = self._going.get(event.run)
            if not going:
                return
            line = line_of(event.event, level, datetime.fromtimestamp(self._clock(), UTC))
            short = {name: _short(value) for name, value in line.items()}
            going.lines.append(short)
            for reader in self._readers:
                if reader.run == event.run:
                    reader.add(short)

    def _end(self, run: ScriptRun, report: Report | None) -> None:
        with self._lock:
            going = self._going.get(run.id)
            lines = tuple(going.lines) if going else ()
        try:
            page = RunPage(as_html(report) if report else "", lines)
            self._keep(run, page, _remainders(report) if report else ())
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has ended well
            text = f"the page of run {run.id} is not kept: {InternalError(error)}"
            self._emit(Message("warn", text))
        with self._lock:
            self._forget(run)

    def _forget(self, run: ScriptRun) -> None:
        """A run goes on here no more. Call it with the lock."""
        self._going.pop(run.id, None)
        for reader in self._readers:
            if reader.run == run.id:
                reader.end()
        self._tell_all()

    def _keep(self, run: ScriptRun, page: RunPage, remainders: tuple[Remainder, ...]) -> None:
        try:
            if self._journal:
                self._journal.pages.keep(run.id, page, remainders)
                return
        except StorageError as error:
            self._emit(Message("warn", f"the page of run {run.id} is not kept: {error}"))
        with self._lock:
            self._recent[run.id] = run, page
            while len(self._recent) > _MOST_RECENT:
                self._recent.popitem(last=False)

    def _tell_all(self) -> None:
        """Tell those who look at all scripts that something changed. Call it with the lock."""
        for reader in self._readers:
            if not reader.run:
                reader.change()

    def run(self, run: str) -> tuple[ScriptRun, RunPage] | None:
        """A run that is going, or one that the journal could not keep, with its lines."""
        with self._lock:
            going = self._going.get(run)
            if going:
                return going.run, RunPage("", tuple(going.lines))
            return self._recent.get(run)

    @property
    def running(self) -> list[ScriptRun]:
        """The runs that are going, also of scripts that the config no longer has."""
        with self._lock:
            return [going.run for going in self._going.values()]

    @property
    def missed(self) -> Mapping[str, RunMissed]:
        """Of scripts that have not begun a run since, the last one they missed."""
        with self._lock:
            return dict(self._missed)

    def look(self, run: str) -> Reader | None:
        """Begin to look at a run, or at all; None if too many look already."""
        with self._lock:
            if len(self._readers) >= MOST_READERS:
                return None
            going = self._going.get(run)
            reader = Reader(run, tuple(going.lines) if going else ())
            if run and not going:
                reader.end()
            self._readers.append(reader)
            return reader

    def look_away(self, reader: Reader) -> None:
        """Have nothing told any more."""
        with self._lock:
            self._readers = [other for other in self._readers if other is not reader]


def _remainders(report: Report) -> tuple[Remainder, ...]:
    """What stays in each repository from which something was deleted."""
    left: dict[str, Remainder] = {}
    for line in report.repositories:
        if not line.deleted or report.dry_run:
            continue
        before = left.get(line.repository, Remainder(line.repository, None, 0))
        sizes = (before.freeable, line.bytes_only)
        left[line.repository] = Remainder(
            line.repository,
            before.kept if line.kept is None else line.kept,
            None if None in sizes else sum(size or 0 for size in sizes),
        )
    return tuple(left.values())


def _short(value: Value) -> Value:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}..."
    return value
