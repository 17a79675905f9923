"""The calls of a script on the side of its own process: sent, and their answers awaited.

Several can be under way at once. A frame carries all that wait to be sent, as many as
fit; another one the answers that have come meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from regbot.lua import wire

MOST_AT_ONCE = 64
"""Calls that may be under way at once."""

NEEDED = "needed"
"""The kind of a reply that asks for the same call again, with its documents."""

_HELD_BACK = 0.002
"""Seconds that a call may wait for others to go with it."""


class Call(NamedTuple):
    """A call of a binding; each argument is ``[kind, value]``.

    ``body`` is who calls: 0 for the script itself, else the slot of a body of
    parallel.map. ``outer`` is the body around it, and comes with the first call.
    """

    name: str
    arguments: list[Any]
    body: int = 0
    outer: int | None = None


class Calls:
    """The calls of a script to regbot, and the answers that came.

    ``largest`` is how many bytes the calls under way may have together; a single one may
    be larger. ``ended`` is told why, when regbot says that the script has to end.
    """

    def __init__(
        self,
        incoming: BinaryIO,
        outgoing: BinaryIO,
        *,
        largest: int,
        ended: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._largest = largest
        self._ended = ended
        self._clock = clock
        self._number = 0
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued_at = 0.0
        self._calls: dict[int, Call] = {}
        self._sizes: dict[int, int] = {}
        self._replies: dict[int, Mapping[str, Any]] = {}

    def ask(self, call: Call) -> Mapping[str, Any]:
        """The reply to a call; others that come before it are kept for ``take``."""
        number = self.post(call)
        while number not in self._replies:
            self._exchange()
        return self._replies.pop(number)

    def post(self, call: Call) -> int:
        """Have a call sent, and give its number. Raises ValueError when it is too large."""
        self._number += 1
        light = _without_documents(call)
        self._enqueue(self._number, light)
        if light is not call:
            self._calls[self._number] = call
        return self._number

    def _enqueue(self, number: int, call: Call) -> None:
        content = wire.content_of([number, call.body, call.outer, call.name, call.arguments])
        if not self._queue:
            self._queued_at = self._clock()
        self._queue.append((number, content))

    def take(self) -> tuple[int, Mapping[str, Any]]:
        """A reply that has come, and the number of its call; waits where there is none."""
        if self._queue and self._clock() - self._queued_at > _HELD_BACK:
            self._send(waits=False)
        while not self._replies:
            self._exchange()
        number = next(iter(self._replies))
        return number, self._replies.pop(number)

    def _exchange(self) -> None:
        """Send what may be sent, and wait for the next replies."""
        self._send(waits=True)
        for number, reply in wire.read(self._incoming)["answers"]:
            self._sizes.pop(number, None)
            call = self._calls.pop(number, None)
            if call and reply.get("kind") == NEEDED:
                self._enqueue(number, call._replace(outer=None))
                continue
            self._replies[number] = reply
            if reply.get("end"):
                self._ended(reply["error"])

    def _send(self, *, waits: bool) -> None:
        """Send the calls that wait, as many as may be under way at once.

        One that is under way alone, where nothing else is done until its reply is there,
        says so by the name of its frame: regbot can answer it without a thread.
        """
        sent = []
        under_way = sum(self._sizes.values())
        while self._queue and len(self._sizes) < MOST_AT_ONCE:
            number, content = self._queue[0]
            if self._sizes and under_way + len(content) > self._largest:
                break
            self._queue.popleft()
            self._sizes[number] = len(content)
            under_way += len(content)
            sent.append(content)
        if sent:
            name = "call" if waits and len(self._sizes) == 1 else "calls"
            self._outgoing.write(wire.frame_of(name, sent))
            self._outgoing.flush()


def _without_documents(call: Call) -> Call:
    """The call with its objects named by their digests, their texts kept here."""
    if not any(kind and "raw" in value for kind, value in call.arguments):
        return call
    light = [
        [kind, _named(value) if kind and "raw" in value else value]
        for kind, value in call.arguments
    ]
    return call._replace(arguments=light)


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An object without its text, which regbot keeps unless it is only a descriptor's."""
    named = {name: value for name, value in fields.items() if name != "raw"}
    return named if named.get("bodyless") else named | {"kept": True}
