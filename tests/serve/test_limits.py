"""Slow, many and greedy requests: the others are answered, and scripts run on."""

from __future__ import annotations

import errno
import resource
import socket
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.serving import config_in, served
from support.sites import listening
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from regbot.serve.address import Address
from regbot.serve.listening import Limits, _Server

HALF_A_HEADER = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-"
HALF_A_BODY = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def connect():
    with ExitStack() as ending:

        def connect(place, text=b""):
            connection = socket.create_connection(("127.0.0.1", place.port), timeout=60)
            ending.enter_context(closing(connection))
            connection.sendall(text)
            return connection

        yield connect


def was_closed(connection):
    """Wait until the other side has closed it, without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def status_of(connection):
    return connection.recv(4096).split(b"\r\n")[0]


def test_200_slow_requests_keep_nobody_waiting(tmp_path, connect):
    text = "scripts: [{name: a, script: 'return 1', interval: 1s}]"
    with (
        served(config_in(tmp_path, text)) as (service, heard),
        listening(service) as place,
    ):
        slow = [
            connect(place, beginning)
            for _ in range(100)
            for beginning in (HALF_A_HEADER, HALF_A_BODY)
        ]
        assert place.get("/healthz").text == "ok\n"
        before = len(heard.ended(1))
        heard.ended(before + 2)
        assert place.get("/readyz").text == "ready\n"
        for connection in slow[::20]:
            connection.sendall(b"X: y\r\n\r\n")
            assert status_of(connection) == b"HTTP/1.1 200 OK"


def test_a_connection_more_than_allowed_takes_the_place_of_the_quietest(connect):
    with listening(limits=Limits(connections=20)) as place:
        slow = [connect(place, HALF_A_HEADER) for _ in range(20)]
        newest = [connect(place, WHOLE) for _ in range(5)]
        assert [status_of(connection) for connection in newest] == [b"HTTP/1.1 200 OK"] * 5
        assert all(was_closed(connection) for connection in slow[:5])
        slow[-1].sendall(b"X: y\r\n\r\n")
        assert status_of(slow[-1]) == b"HTTP/1.1 200 OK"


def test_connections_leave_files_for_the_scripts(monkeypatch, connect):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (80, 80))
    with listening() as place:
        slow = [connect(place, HALF_A_HEADER) for _ in range(25)]
        assert status_of(connect(place, WHOLE)) == b"HTTP/1.1 200 OK"
        assert all(was_closed(connection) for connection in slow[:6])


def test_connections_are_limited_where_files_are_not(monkeypatch, connect):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    with listening(limits=Limits(connections=3)) as place:
        slow = [connect(place, HALF_A_HEADER) for _ in range(4)]
        assert was_closed(slow[0])
        assert status_of(connect(place, WHOLE)) == b"HTTP/1.1 200 OK"


def test_where_no_file_can_be_opened_connections_give_way(monkeypatch, connect):
    accept = TcpWSGIServer.accept
    failures = iter([OSError(errno.EMFILE, "too many")] * 3)

    def failing(server):
        error = next(failures, None) if len(server.active_channels) == 3 else None
        if error:
            raise error
        return accept(server)

    monkeypatch.setattr(TcpWSGIServer, "accept", failing)
    with listening() as place:
        slow = [connect(place, HALF_A_HEADER) for _ in range(3)]
        assert status_of(connect(place, WHOLE)) == b"HTTP/1.1 200 OK"
        assert was_closed(slow[0])


@pytest.mark.parametrize("beginning", [b"", HALF_A_HEADER, HALF_A_BODY])
def test_a_quiet_connection_is_closed(connect, beginning):
    with listening(limits=Limits(quiet=0.2)) as place:
        assert was_closed(connect(place, beginning))
        assert place.get("/healthz").status_code == 200


def test_a_request_that_comes_in_drops_is_closed_as_well(connect):
    with listening(limits=Limits(request=0.5)) as place:
        connection = connect(place, HALF_A_HEADER)
        connection.settimeout(0.05)
        closed = False
        for _ in range(1200):
            try:
                connection.sendall(b"x")
                closed = connection.recv(1) == b""
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                closed = True
            if closed:
                break
        assert closed


def pages(monkeypatch, **handlers):
    """Put routes in the place of the site's own."""

    def add_to(app, site):
        for name, handler in handlers.items():
            app.get(f"/{name}", callback=handler)

    monkeypatch.setattr("regbot.serve.app.ROUTES", (SimpleNamespace(add_to=add_to),))


def drain(connection):
    """Whether the whole answer comes."""
    count = 0
    with suppress(ConnectionResetError):
        while count <= LARGE and (piece := connection.recv(65536)):
            count += len(piece)
    return count > LARGE


def open_connections(port):
    """How many connections to a port the server has open."""
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    places = [(line.split()[1].rpartition(":")[2], line.split()[3]) for line in lines]
    return places.count((f"{port:04X}", "01"))


def wait_until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


LARGE = 8 * 1024 * 1024


def test_those_who_take_no_answer_hold_no_thread_and_are_closed(monkeypatch, connect):
    pages(monkeypatch, large=lambda: b"x" * LARGE, small=lambda: "small")
    with listening(limits=Limits(threads=2, quiet=0.5)) as place:
        greedy = [
            connect(place, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(10)
        ]
        assert place.get("/small").text == "small"
        assert len(place.get("/large").content) == LARGE
        wait_until(lambda: open_connections(place.port) == 0)
        assert not any(drain(connection) for connection in greedy)


def test_answers_that_nobody_takes_do_not_fill_the_memory(monkeypatch, connect):
    pages(monkeypatch, large=lambda: b"x" * LARGE)
    with listening(limits=Limits(waiting=3 * LARGE)) as place:
        request = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
        greedy = [connect(place, request) for _ in range(30)]
        wait_until(lambda: open_connections(place.port) <= 4)
        assert len(place.get("/large").content) == LARGE
        assert [drain(connection) for connection in greedy].count(True) <= 4


def test_nonsense_leaves_no_line_in_the_log(connect):
    with listening() as place:
        for _ in range(200):
            was_closed(connect(place, b"nonsense\r\n\r\n" * 3))
        assert place.get("/healthz").text == "ok\n"
    assert [message.text for message in place.messages()] == ["listening"]


def test_a_second_request_before_the_first_answer_is_not_served(monkeypatch, connect):
    pages(monkeypatch, large=lambda: b"x" * LARGE, small=lambda: "small")
    with listening(limits=Limits(threads=1)) as place:
        request = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connect(place, request * 3)
        assert place.get("/small").text == "small"


def test_a_server_that_has_ended_is_woken_by_nobody():
    with Address("127.0.0.1", 0).bind() as listener:
        server = _Server(None, listener, ThreadedTaskDispatcher(), Limits())
        server.end()
        server.run()
        server.end()  # what was its pipe may be another file by now
