"""What happened, as frozen values: log lines, progress and history are made from them.

The core emits events and does not know who listens. No event holds a secret: URLs
are shown without query and user part, headers do not come at all. What an event looks
like in a log, and at which level, is the listener's decision, so nothing is rendered
for a level that is off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal, TypeVar

from regbot.redaction import redacted
from regbot.values import dataclass

Level = Literal["trace", "debug", "info", "warn", "error"]
"""The levels of the log, in increasing order."""

Ending = Literal["done", "failed", "stopped"]
"""How a script or a run ended; ``stopped`` by a signal before its end."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: the base of all events."""


Emit = Callable[[Event], None]
"""A listener, as those who emit know it. It is called from many threads at once."""
Heard = TypeVar("Heard", bound=Event)


@dataclass(frozen=True, slots=True)
class InRun(Event):
    """An event of a run, as listeners are told it; never one in another.

    ``run`` is the run's id, which the history has if the run changed something. ``script``
    is empty where it is about all scripts of a run.
    """

    run: str
    script: str
    event: Event


@dataclass(frozen=True, slots=True)
class Message(Event):
    """A log line: a text for people, and fields. Nobody parses the text.

    ``is_general``: it holds for all that a run does, so one with the same text is enough.
    """

    level: Level
    text: str
    fields: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    is_general: bool = False


@dataclass(frozen=True, slots=True)
class Exchanged(Event):
    """One HTTP request was answered, or failed with ``status`` 0.

    ``seconds`` is the time until the headers of the answer were there. ``full_url`` may
    hold a secret and is for ``url`` alone.
    """

    host: str
    method: str
    full_url: str = field(repr=False)
    status: int
    seconds: float

    @property
    def url(self) -> str:
        """The URL without query and user part."""
        return redacted(self.full_url)


@dataclass(frozen=True, slots=True)
class Delayed(Event):
    """A request waits for a retry or for its host's rate limit.

    ``is_backoff``: the host had failed, or asked for patience.
    """

    host: str
    seconds: float
    why: str
    is_backoff: bool = False


@dataclass(frozen=True, slots=True)
class PullsLeft(Event):
    """A host said how many pulls it still allows."""

    host: str
    count: int


@dataclass(frozen=True, slots=True)
class BytesAhead(Event):
    """A copy found out how many bytes its blobs have."""

    count: int


@dataclass(frozen=True, slots=True)
class BytesMoved(Event):
    """So many bytes more of a copy were sent, or were there, or will not come any more."""

    count: int


@dataclass(frozen=True, slots=True)
class Journalled(Event):
    """Entries of the journal are on the disk, which took ``seconds``."""

    entries: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Spared(Event):
    """A request that the script did not have to wait for; ``by`` says thanks to what."""

    by: Literal["cache", "read-ahead"]


@dataclass(frozen=True, slots=True)
class LeftBehind(Event):
    """A tag is left on a placeholder, because its manifest could not be put back.

    ``reference`` is the tag, and ``digest`` the digest to put back. A run repeats this at
    its end.
    """

    reference: str
    digest: str


@dataclass(frozen=True, slots=True)
class Printed(Event):
    """A script printed a line, which belongs on standard output."""

    script: str
    text: str


@dataclass(frozen=True, slots=True)
class StepsAhead(Event):
    """So many steps of a script are known to come.

    The end of one is told by RepositoryEnded, TagRead or plan.outcome.ActionDone. An
    action comes with a plan that is carried out; a plan file's are of no ``script``.
    """

    script: str
    step: Literal["repository", "tag", "action"]
    count: int


@dataclass(frozen=True, slots=True)
class RepositoryStarted(Event):
    """A script of many repositories began to work at one of them."""

    script: str
    repository: str


@dataclass(frozen=True, slots=True)
class RepositoryEnded(Event):
    """A script's work at one of its repositories ended, also where it failed."""

    script: str
    repository: str


@dataclass(frozen=True, slots=True)
class TagsListed(Event):
    """A script was given so many tags of a repository that it did not know."""

    script: str
    repository: str
    count: int


@dataclass(frozen=True, slots=True)
class TagRead(Event):
    """A script, or its rules, looked at one tag for the first time."""

    script: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A command began to run ``scripts``, or to carry out a plan.

    ``kind`` is the command. In a server, each script is a run of its own.
    """

    kind: str
    dry_run: bool = False
    scripts: int = 0


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run ended.

    ``id`` is its id in the history, empty if it changed nothing. ``left_behind`` lists
    the tags that could not be restored.
    """

    kind: str
    status: Ending
    seconds: float
    id: str = ""
    dry_run: bool = False
    left_behind: tuple[LeftBehind, ...] = ()


@dataclass(frozen=True, slots=True)
class RunMissed(Event):
    """A script did not run when it was due, which was at ``due``; ``why`` says why not.

    With ``is_late``, it runs now instead.
    """

    script: str
    due: datetime
    why: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class ScriptStarted(Event):
    """A script began."""

    script: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run of a script ended, and why. ``seconds`` is how long it took.

    ``guarded``: it failed because its guard stopped it. ``value`` is what the script
    returned, for who runs it.
    """

    script: str
    status: Ending
    error: str = ""
    seconds: float = 0.0
    guarded: bool = False
    value: tuple[Any, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ScriptEnded(Event):
    """A script ended."""

    result: RunResult
    dry_run: bool = False


Kinds = frozenset[type[Event]]


class Hearing:
    """A listener that hears events of some ``kinds`` alone; None is all of them.

    Whatever passes events on to it is a Hearing as well, so that what nobody hears ends
    where it is emitted.
    """

    __slots__ = ("_listener", "kinds")

    def __init__(self, listener: Emit, kinds: Kinds | None) -> None:
        self._listener = listener
        self.kinds = kinds

    def __call__(self, event: Event) -> None:
        """Tell the listener of an event, in a run or not, if it is of its kinds."""
        if self.kinds is not None:
            kind = type(event.event) if isinstance(event, InRun) else type(event)
            if kind not in self.kinds:
                return
        self._listener(event)


def kinds_of(listener: Emit) -> Kinds | None:
    """The kinds of events that a listener hears; None is all of them."""
    return listener.kinds if isinstance(listener, Hearing) else None


def _nothing(event: Event) -> None:
    """Do nothing."""


ignore = Hearing(_nothing, frozenset())
"""A listener that hears nothing."""


def fan_out(*listeners: Emit) -> Emit:
    """A listener that passes each event to all listeners, in order."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    kinds: Kinds | None = frozenset()
    for listener in listeners:
        heard = kinds_of(listener)
        kinds = None if kinds is None or heard is None else kinds | heard
    return Hearing(emit, kinds)


def in_run(listener: Emit, run: str = "", script: str = "") -> Emit:
    """A listener that is told of which run and script each event is.

    What an event was told already, nearer to where it happened, it keeps.
    """

    def tell(event: Event) -> None:
        if isinstance(event, InRun):
            listener(InRun(event.run or run, event.script or script, event.event))
        else:
            listener(InRun(run, script, event))

    return Hearing(tell, kinds_of(listener))


def bare(event: Event) -> Event:
    """What happened, in whichever run."""
    return event.event if isinstance(event, InRun) else event


def plain(listener: Emit) -> Emit:
    """For a listener to which it is all the same in which run something happens."""

    def tell(event: Event) -> None:
        listener(bare(event))

    return Hearing(tell, kinds_of(listener))


def hearing(kind: type[Heard], listener: Callable[[Heard], object]) -> Emit:
    """A listener that is told of events of one kind alone, in whichever run."""

    def tell(event: Event) -> None:
        event = bare(event)
        if isinstance(event, kind):
            listener(event)

    return Hearing(tell, frozenset({kind}))


def without(listener: Emit, *kinds: type[Event]) -> Emit:
    """A listener that is told everything but events of these kinds."""

    def tell(event: Event) -> None:
        if not isinstance(bare(event), kinds):
            listener(event)

    heard = kinds_of(listener)
    return Hearing(tell, None if heard is None else heard.difference(kinds))


def once_each(listener: Emit) -> Emit:
    """A listener that is told each general message once, by its text."""
    lock = threading.Lock()
    told = set[str]()

    def tell(event: Event) -> None:
        message = bare(event)
        if isinstance(message, Message) and message.is_general:
            with lock:
                if message.text in told:
                    return
                told.add(message.text)
        listener(event)

    return Hearing(tell, kinds_of(listener))
