"""What a command does now, counted from its events."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import field

from regbot.events import (
    BytesAhead,
    BytesMoved,
    Delayed,
    Event,
    Exchanged,
    RepositoryEnded,
    RepositoryStarted,
    RunStarted,
    ScriptEnded,
    ScriptStarted,
    StepsAhead,
    TagRead,
    TagsListed,
)
from regbot.plan.outcome import ActionDone, ActionStarted
from regbot.report.shown import visible
from regbot.units import format_duration, format_size
from regbot.values import dataclass

_SAMPLE = 5.0
"""Seconds over which requests are averaged."""
_SURE_AFTER = 3.0
"""Seconds of work from which the time that is left can be told."""
_WORTH_TELLING = 1.0
"""Seconds that a request has to wait for that to be shown."""
_MOST_PARTS = 3
_STATUSES = ("planned", "done", "unchanged", "skipped", "failed", "stopped")
_STEPS = {"action": "actions", "repository": "repositories", "tag": "tags"}
"""What tells most of how far a script is, first."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be shown. ``filled`` is how much of a bar is, from 0 to 1; None is no bar."""

    text: str
    name: str = ""
    filled: float | None = None


@dataclass(slots=True)
class _Steps:
    """Steps that are known to come, since ``began``, and how many are done."""

    ahead: int
    began: float
    done: int = 0

    def left(self, now: float) -> float | None:
        """Seconds until all are done, if they go on like this; None if it is too early."""
        spent = now - self.began
        if not self.done or spent < _SURE_AFTER or self.done >= self.ahead:
            return None
        return spent / self.done * (self.ahead - self.done)


@dataclass(slots=True)
class _Part:
    """A script, or without a name a plan, and what it works at."""

    name: str
    at: RepositoryStarted | TagsListed | ActionStarted | None = None
    steps: dict[str, _Steps] = field(default_factory=dict)

    def lines(self, label: str, now: float) -> Iterator[Line]:
        """How far it is, and where."""
        name, where = visible(label), visible(self._where())
        step = next((step for step in _STEPS if self._tells(step)), None)
        if step is None:
            yield Line(where, name)
            return
        steps = self.steps[step]
        left = steps.left(now)
        text = f"{steps.done} of {steps.ahead} {_STEPS[step]}"
        text += f", about {_rough(left)} left" if left is not None else ""
        yield Line(text, name, min(1.0, steps.done / steps.ahead))
        yield Line(f"  {where}")

    def _where(self) -> str:
        match self.at:
            case ActionStarted():
                return f"{self.at.action.verb} {self.at.action.reference}"
            case RepositoryStarted() | TagsListed():
                return self.at.repository
        return ""

    def _tells(self, step: str) -> bool:
        """Whether steps tell how far it is: the one repository of a script does not."""
        steps = self.steps.get(step)
        return steps is not None and steps.ahead > (step == "repository")


class _Bytes:
    """The bytes of copies: how many there are as far as is known, and how many are done."""

    def __init__(self, now: float) -> None:
        self.ahead = 0
        self._began = now
        self._moved = _Rate(now)

    def expect(self, count: int, now: float) -> None:
        """So many more are to come."""
        if not self.ahead:
            self._began = now
        self.ahead += count

    def pass_on(self, count: int) -> None:
        """So many more are at their target."""
        self._moved.count += count

    def lines(self, now: float) -> Iterator[Line]:
        """How far it is, how fast, and how long it takes; nothing where nothing is copied."""
        done = min(self._moved.count, self.ahead)
        if not self.ahead or done == self.ahead:
            return
        rate = self._moved.lately(now)
        text = f"{format_size(done)} of {format_size(self.ahead)}"
        if rate:
            text += f", {format_size(int(rate))}/s"
        if rate and now - self._began >= _SURE_AFTER:
            text += f", about {_rough((self.ahead - done) / rate)} left"
        yield Line(text, "copying", done / self.ahead)


class _Rate:
    """Something that is counted, and how fast that goes."""

    def __init__(self, now: float) -> None:
        self.count = 0
        self._samples = deque([(now, 0)])

    def lately(self, now: float) -> float:
        """How many a second, over the last seconds."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _SAMPLE:
            self._samples.popleft()
        then, count = self._samples[0]
        self._samples.append((now, self.count))
        return (self.count - count) / (now - then) if now > then else 0.0


class Progress:
    """A listener that knows what is done now. Threads share it; ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._kind = ""
        self._parts: dict[str, _Part] = {}
        self._scripts = 0
        self._scripts_ended = 0
        self._listed = 0
        self._read = 0
        self._actions: Counter[str] = Counter()
        self._requests = _Rate(self._began)
        self._bytes = _Bytes(self._began)
        self._waits: tuple[float, str] = (self._began, "")

    def __call__(self, event: Event) -> None:
        """Count an event, and follow where it happens."""
        with self._lock:
            self._count(event)
            self._follow(event)

    def _count(self, event: Event) -> None:
        match event:
            case Exchanged():
                self._requests.count += 1
            case BytesAhead():
                self._bytes.expect(event.count, self._clock())
            case BytesMoved():
                self._bytes.pass_on(event.count)
            case TagsListed():
                self._listed += event.count
            case TagRead():
                self._read += 1
            case ActionDone():
                self._actions[event.outcome.status] += 1
            case ScriptEnded():
                self._scripts_ended += 1
            case RunStarted():
                self._kind, self._scripts = event.kind, event.scripts
            case Delayed() if event.seconds >= _WORTH_TELLING:
                text = f"waiting for {event.host}: {event.why}"
                self._waits = (self._clock() + event.seconds, text)

    def _follow(self, event: Event) -> None:
        match event:
            case ScriptStarted():
                self._parts[event.script] = _Part(event.script)
            case ScriptEnded():
                self._parts.pop(event.result.script, None)
            case RepositoryStarted() | TagsListed() | ActionStarted():
                self._part(event.script).at = event
            case StepsAhead():
                self._expect(event)
            case RepositoryEnded():
                self._pass(event.script, "repository")
            case TagRead():
                self._pass(event.script, "tag")
            case ActionDone():
                self._pass(event.outcome.script, "action")

    def _part(self, script: str) -> _Part:
        """The part of a script; a plan that is carried out is one for all its scripts."""
        name = script if script in self._parts else ""
        return self._parts.setdefault(name, _Part(name))

    def _pass(self, script: str, step: str) -> None:
        steps = self._part(script).steps.get(step)
        if steps:
            steps.done += 1

    def _expect(self, event: StepsAhead) -> None:
        part = self._part(event.script)
        steps = part.steps.get(event.step)
        if event.step == "tag" and steps:  # those of each repository, one after the other
            steps.ahead += event.count
            return
        part.steps[event.step] = _Steps(event.count, self._clock())
        if event.step == "action":
            del self._actions["planned"]

    def lines(self) -> list[Line]:
        """What is to be shown now: a line or two for each script, and one for all of them."""
        now = self._clock()
        with self._lock:
            parts = list(self._parts.values())
            lines = [
                line
                for part in parts[:_MOST_PARTS]
                for line in part.lines(part.name or self._kind, now)
            ]
            if len(parts) > _MOST_PARTS:
                lines.append(Line(f"and {len(parts) - _MOST_PARTS} more scripts"))
            return [*lines, *self._bytes.lines(now), Line("; ".join(self._totals(now)))]

    def _totals(self, now: float) -> Iterator[str]:
        if self._scripts > 1:
            yield f"{self._scripts_ended} of {self._scripts} scripts done"
        tags = {"listed": self._listed, "read": self._read}
        counts = [f"{count} {deed}" for deed, count in tags.items() if count]
        if counts:
            yield f"tags: {', '.join(counts)}"
        actions = [f"{self._actions[each]} {each}" for each in _STATUSES if self._actions[each]]
        if actions:
            yield ", ".join(actions)
        yield f"{self._requests.lately(now):.0f} requests/s"
        yield f"{format_duration(int(now - self._began))} so far"
        until, why = self._waits
        if now < until:
            yield why


def _rough(seconds: float) -> str:
    """A duration as exactly as a guess can be: in 5 seconds, or in minutes."""
    unit = 5 if seconds < 120 else 60
    return format_duration(max(1, round(seconds / unit)) * unit)
