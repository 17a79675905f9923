"""A proxy before a registry that makes the way longer, and counts what is asked.

    python scripts/delaying_proxy.py HOST:PORT [--delay MILLISECONDS] [--opaque]

Bytes are passed on as they are, half a round trip late in each direction. A new connection
waits one round trip more, as long as its handshake would take. The first line of standard
output is ``{"port": 40123}``. Then it takes a command a line on standard input: ``delay 20``
sets the round trip in milliseconds, ``counts`` answers with
``{"requests": {"GET": 3}, "connections": 1}`` since the last time it was asked. It ends with
its input. ``--opaque`` is for TLS: connections are counted, and no requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import sys
from collections import Counter, deque
from contextlib import suppress
from typing import cast

IN_FLIGHT = 32 * 1024 * 1024
"""Bytes under way in one direction of a connection, before its sender has to wait."""

EARLY = 0.00005
"""Seconds that bytes may be early, so that one timer serves all that are due."""


class RequestCounter:
    """Counts the requests in the bytes that a client sends (RFC 9112, section 6)."""

    def __init__(self, requests: Counter[str]) -> None:
        self._requests = requests
        self._pending = b""
        self._body = 0
        self._chunked = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._body >= len(data) and not self._pending:
            self._body -= len(data)
            return
        self._pending += data
        while self._pending and self._step():
            pass

    def _step(self) -> bool:
        if self._body:
            skipped = min(self._body, len(self._pending))
            self._body -= skipped
            self._pending = self._pending[skipped:]
            return True
        return self._chunk() if self._chunked else self._head()

    def _chunk(self) -> bool:
        line, found, _ = self._pending.partition(b"\r\n")
        if not found:
            return False
        size = int(line.partition(b";")[0], 16)
        self._chunked = size > 0
        self._body = len(line) + 2 + size + 2
        return True

    def _head(self) -> bool:
        head, found, rest = self._pending.partition(b"\r\n\r\n")
        if not found:
            return False
        self._requests[head.partition(b" ")[0].decode("latin-1")] += 1
        self._pending = rest
        for line in head.lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                self._body = int(value)
            elif name == b"transfer-encoding":
                self._chunked = b"chunked" in value
        return True


class Network:
    """What all connections share: how long the way is, and the counts."""

    def __init__(self, upstream: tuple[str, int], *, opaque: bool) -> None:
        self.upstream = upstream
        self.opaque = opaque
        self.round_trip = 0.0
        self.requests: Counter[str] = Counter()
        self.connections = 0

    def take_counts(self) -> str:
        """The counts as JSON, which start again at nothing."""
        counts = {"requests": dict(self.requests), "connections": self.connections}
        self.requests.clear()
        self.connections = 0
        return json.dumps(counts)


class Line:
    """One direction of a connection. An empty chunk is its end."""

    def __init__(self, network: Network, loop: asyncio.AbstractEventLoop) -> None:
        self.source: asyncio.Transport | None = None
        self.opposite: Line | None = None
        self.ended = False
        self._target: asyncio.Transport | None = None
        self._network = network
        self._loop = loop
        self._queue: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._held = True
        self._not_before = 0.0

    def open(self, target: asyncio.Transport, not_before: float) -> None:
        """Let bytes out to ``target``, none of them before that time."""
        self._target = target
        self._not_before = not_before
        self.release()

    def send(self, data: bytes) -> None:
        """Pass bytes on when it is time for them."""
        late = self._network.round_trip / 2
        if not late and not self._queue and not self._held:
            self._write(data)
            return
        self._queue.append((self._loop.time() + late, data))
        self._size += len(data)
        if self._size > IN_FLIGHT and self.source is not None:
            self.source.pause_reading()
        self._arm()

    def hold(self) -> None:
        """Stop letting bytes out, since the target is slow to take them."""
        self._held = True

    def release(self) -> None:
        """Let bytes out again."""
        self._held = False
        self._arm()

    def _arm(self) -> None:
        if self._queue and not self._held and self._timer is None:
            due = max(self._queue[0][0], self._not_before)
            self._timer = self._loop.call_at(due, self._let_out)

    def _let_out(self) -> None:
        self._timer = None
        until = self._loop.time() + EARLY
        while self._queue and not self._held and self._queue[0][0] <= until:
            data = self._queue.popleft()[1]
            self._size -= len(data)
            self._write(data)
        if self._size < IN_FLIGHT // 2 and self.source is not None:
            self.source.resume_reading()
        self._arm()

    def _write(self, data: bytes) -> None:
        if self._target is None or self._target.is_closing():
            return
        if data:
            self._target.write(data)
            return
        self.ended = True
        with suppress(OSError):  # the target went away
            self._target.write_eof()
        if self.opposite is not None and self.opposite.ended:
            self._target.close()


class End(asyncio.Protocol):
    """One end of a connection: what it reads goes to ``away``, ``back`` comes to it."""

    def __init__(self, away: Line, back: Line, counter: RequestCounter | None) -> None:
        self.away = away
        self.back = back
        self.counter = counter
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.away.source = self.transport

    def data_received(self, data: bytes) -> None:
        """Count what is asked, and pass it on."""
        if self.counter is not None:
            self.counter.feed(data)
        self.away.send(data)

    def eof_received(self) -> bool:
        """Pass the end on, and stay open for what comes back."""
        self.away.send(b"")
        return True

    def pause_writing(self) -> None:
        """The peer is slow to read."""
        self.back.hold()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.back.release()

    def connection_lost(self, _error: Exception | None) -> None:
        """Close the other end too."""
        self.away.source = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class ClientEnd(End):
    """The end at the client; it opens the other one."""

    def __init__(self, network: Network) -> None:
        self._loop = asyncio.get_running_loop()
        self._network = network
        counter = None if network.opaque else RequestCounter(network.requests)
        super().__init__(Line(network, self._loop), Line(network, self._loop), counter)
        self.away.opposite, self.back.opposite = self.back, self.away

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to open the other end."""
        super().connection_made(transport)
        self._network.connections += 1
        self._opening = self._loop.create_task(self._open(self._loop.time()))

    async def _open(self, accepted: float) -> None:
        upstream = End(self.back, self.away, None)
        upstream.other, self.other = self, upstream
        assert self.transport is not None
        try:
            await self._loop.create_connection(lambda: upstream, *self._network.upstream)
        except OSError:
            self.transport.abort()
            return
        assert upstream.transport is not None
        round_trip = self._network.round_trip
        self.away.open(upstream.transport, accepted + round_trip * 1.5 if round_trip else 0.0)
        self.back.open(self.transport, 0.0)
        if self.transport.is_closing():
            upstream.transport.close()


async def serve(network: Network) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ClientEnd(network), "127.0.0.1", 0, backlog=256)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().split():
        if line[0] == "delay":
            network.round_trip = float(line[1]) / 1000
            print("{}", flush=True)
        else:
            print(network.take_counts(), flush=True)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Passes HTTP on, later.")
    parser.add_argument("upstream", metavar="HOST:PORT")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MILLISECONDS")
    parser.add_argument("--opaque", action="store_true")
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    network = Network((host, int(port)), opaque=options.opaque)
    network.round_trip = options.delay / 1000
    # Waits of epoll are rounded up to whole milliseconds, those of select are not.
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(serve(network))


if __name__ == "__main__":
    main()
