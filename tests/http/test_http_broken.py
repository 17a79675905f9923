"""Connections and answers that break, stall or are no HTTP at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.httpclient import plain, web
from support.registry import TestRegistry
from support.scripted import Asked, Said, scripted, then
from support.servers import free_port

from regbot.errors import (
    ConnectionFailed,
    ScriptTimeout,
    Stopped,
)
from regbot.events import Exchanged
from regbot.http.cutting import Timeouts
from regbot.stopping import Stop


@pytest.mark.parametrize("take", [lambda r: r.read(), lambda r: list(r.chunks())])
def test_an_answer_that_breaks_off_is_an_error(take: Callable[[Any], object]) -> None:
    """Law: every byte of content is checked; a part of an answer is never taken for the whole."""
    script = then(Said(200, body=b"x" * 100, length=1000))
    with (
        scripted(script) as server,
        web(plain(server.host)) as own,
        own.send(server.host, "/v2/") as response,
        pytest.raises(ConnectionFailed, match="broke off"),
    ):
        take(response)


@contextmanager
def raw(*answers: bytes) -> Iterator[str]:
    """A server that sends bytes, one answer a connection, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(65536):
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(30)


@pytest.mark.parametrize(
    "body",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    ],
)
def test_broken_framing_is_an_error_not_a_short_body(body: bytes) -> None:
    """PITFALLS: a listing that breaks in the middle is an error."""
    with (
        raw(body) as host,
        web(plain(host)) as own,
        own.send(host, "/v2/") as response,
        pytest.raises(ConnectionFailed),
    ):
        response.read()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02\x03\r\n\r\n"])
def test_what_is_no_http_is_one_clear_error_after_all_tries(answer: bytes) -> None:
    """Law: what can't be read is an error."""
    with raw(*[answer] * 5) as host, web(plain(host)) as own:
        with pytest.raises(ConnectionFailed) as caught:
            own.get(host, "/v2/")
        assert str(caught.value).startswith(f"GET http://{host}/v2/: ")
        assert "\n" not in str(caught.value)


def test_a_connection_that_breaks_is_tried_again() -> None:
    """A dropped connection is no answer: the request is sent again."""
    with TestRegistry() as registry, web(plain(registry.host)) as own:
        registry.break_next("drop", times=2)
        own.get(registry.host, "/v2/")
        assert len(registry.requests) == 3
        assert [x.status for x in own.events if isinstance(x, Exchanged)] == [0, 0, 200]


def test_nobody_listens() -> None:
    """Law: wrong input gives one clear line."""
    host = f"127.0.0.1:{free_port()}"
    with web(plain(host)) as own, pytest.raises(ConnectionFailed, match="connection refused"):
        own.get(host, "/v2/")


@pytest.mark.parametrize(("number", "tries"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 5)])
def test_a_name_that_can_not_be_resolved(
    monkeypatch: pytest.MonkeyPatch, number: int, tries: int
) -> None:
    """A name nobody knows is final; a resolver that fails for now is asked again."""

    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(number, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with web(plain("registry.example")) as own:
        with pytest.raises(ConnectionFailed, match="name can't be resolved: Name or service"):
            own.get("registry.example", "/v2/")
        assert len([x for x in own.events if isinstance(x, Exchanged)]) == tries


def test_silence_ends_in_a_time_out() -> None:
    """No hang past its time-out."""
    with TestRegistry() as registry:
        registry.break_next("stall", times=9, seconds=30.0)
        with (
            web(plain(registry.host), timeouts=Timeouts(5.0, 0.1)) as own,
            pytest.raises(ConnectionFailed, match=r"no answer came within 0\.1s"),
        ):
            own.get(registry.host, "/v2/")
        assert len([event for event in own.events if isinstance(event, Exchanged)]) == 5


def test_a_script_out_of_time_does_not_wait_for_a_silent_registry() -> None:
    """Law: a script can't outlive its timeout."""
    with TestRegistry() as registry:
        registry.break_next("stall", times=9, seconds=30.0)
        with (
            web(plain(registry.host), stop=Stop(timeout=0.2)) as own,
            pytest.raises(ScriptTimeout),
        ):
            own.get(registry.host, "/v2/")


def test_a_stop_ends_the_tries() -> None:
    """Law: SIGTERM and Ctrl-C end any run."""
    stop = Stop()

    def stopping(_: Asked) -> Said:
        stop.ask()
        return Said(503)

    with scripted(stopping) as server, web(plain(server.host), stop=stop) as own:
        with pytest.raises(Stopped):
            own.get(server.host, "/v2/")
        assert len(server.asked) == 1
