"""Runs that have to end while a registry keeps silent."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.httpclient import Web, plain, web
from support.scripted import Said, scripted

from regbot.errors import ConnectionFailed, ScriptTimeout, Stopped
from regbot.http.cutting import Timeouts
from regbot.http.hosts import HostSettings
from regbot.stopping import Stop

PATIENT = Timeouts(connect=600.0, read=600.0)
GRACE = 0.2
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


class Silent:
    """A server that says a little and then waits until the client goes."""

    def __init__(self) -> None:
        self.spoke = threading.Event()
        self.left = threading.Event()
        self.host = ""


@contextmanager
def silent(words: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Silent]:
    server = Silent()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(30)
            with tls.wrap_socket(connection, server_side=True) if tls else connection as client:
                client.recv(65536)
                client.sendall(words)
                server.spoke.set()
                try:
                    while client.recv(65536):
                        continue
                except (ssl.SSLError, ConnectionResetError):
                    pass
                except TimeoutError:
                    return
                server.left.set()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server
        thread.join(40)


def ended(server: Silent, own: Web, stop: Stop, call: Callable[[], object]) -> None:
    """Run the call until it hangs, ask it to stop, and see that it ends."""
    seen: list[BaseException] = []

    def run() -> None:
        with pytest.raises(Stopped) as caught:
            call()
        seen.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    assert server.spoke.wait(60)
    stop.ask()
    assert server.left.wait(60), "the connection was not cut"
    thread.join(20)
    assert len(seen) == 1


@pytest.mark.parametrize("words", [b"", HALF], ids=["no answer", "half a body"])
def test_a_silent_registry_does_not_hold_up_the_end(words: bytes) -> None:
    """Law: SIGTERM and Ctrl-C end any run within 5 s of the request in flight."""
    stop = Stop(grace=GRACE)
    with silent(words) as server, web(plain(server.host), stop=stop, timeouts=PATIENT) as own:
        ended(server, own, stop, lambda: own.get(server.host, "/v2/"))


@pytest.mark.parametrize("words", [b"", HALF], ids=["no answer", "half a body"])
def test_nor_does_a_silent_one_behind_tls(words: bytes, tmp_path: Path) -> None:
    """Law: SIGTERM and Ctrl-C end any run within 5 s of the request in flight."""
    authority, stop = Authority.make(tmp_path), Stop(grace=GRACE)
    with silent(words, authority.server()) as server:
        settings = HostSettings(server.host, ca_certificate=authority.certificate)
        with web(settings, stop=stop, timeouts=PATIENT) as own:
            ended(server, own, stop, lambda: own.get(server.host, "/v2/"))


@contextmanager
def trickling(start: bytes, piece: bytes) -> Iterator[Silent]:
    """A server whose answer goes on and on, one piece at a time, until the client goes."""
    server = Silent()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            connection, _ = listener.accept()
            with connection as client:
                client.recv(65536)
                client.sendall(start)
                server.spoke.set()
                gone = threading.Event()
                for _ in range(600):
                    try:
                        client.sendall(piece)
                    except OSError:
                        server.left.set()
                        return
                    gone.wait(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server
        thread.join(40)


TRICKLES = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "chunk size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
}


@pytest.mark.parametrize(("start", "piece"), TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_in_ends_with_the_timeout_of_the_run(
    start: bytes, piece: bytes
) -> None:
    """Law: a script can't outlive its timeout."""
    never = Timeouts(connect=10.0, read=600.0)
    with (
        trickling(start, piece) as server,
        web(plain(server.host), stop=Stop(timeout=0.5), timeouts=never) as own,
    ):
        with pytest.raises(ScriptTimeout):
            own.get(server.host, "/v2/")
        assert server.left.wait(60)


@pytest.mark.parametrize(("start", "piece"), TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_in_does_not_hold_up_the_end(start: bytes, piece: bytes) -> None:
    """Law: SIGTERM and Ctrl-C end any run within 5 s of the request in flight."""
    stop = Stop(grace=GRACE)
    with (
        trickling(start, piece) as server,
        web(plain(server.host), stop=stop, timeouts=PATIENT) as own,
    ):
        ended(server, own, stop, lambda: own.get(server.host, "/v2/"))


@pytest.mark.parametrize("what", ["status line", "headers"])
def test_headers_that_trickle_in_end_with_the_read_timeout(what: str) -> None:
    start, piece = TRICKLES[what]
    with (
        trickling(start, piece) as server,
        web(plain(server.host), timeouts=Timeouts(connect=10.0, read=0.5)) as own,
    ):
        with pytest.raises(ConnectionFailed, match=r"no answer came within 0\.5s"):
            own.send(server.host, "/v2/", retry=False)
        assert server.left.wait(60)


def test_a_long_upload_is_not_taken_for_headers_that_do_not_come() -> None:
    """Only once all of a request is sent do its headers have to come."""
    pause = threading.Event()
    now = 0.0

    def content() -> Iterator[bytes]:
        nonlocal now
        for _ in range(4):
            yield b"x"
            now += 2 * PATIENT.read
            pause.wait(0.3)  # for the thread that looks at the clock

    with (
        scripted(lambda _: Said(201)) as server,
        web(plain(server.host), timeouts=PATIENT, clock=lambda: now) as own,
    ):
        own.send(
            server.host, "/v2/", "PUT", body=content, length=4, expect=frozenset({201}), retry=False
        ).close()


@contextmanager
def full() -> Iterator[str]:
    """A host that takes no connection and refuses none: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        place = listener.getsockname()
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(place)
        yield f"127.0.0.1:{place[1]}"


@contextmanager
def mute() -> Iterator[str]:
    """A host that takes connections and says nothing, not even the hello of TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("unopened", "tls"), [(full, "disabled"), (mute, "enabled")])
def test_a_connection_that_does_not_open_does_not_hold_up_the_end(
    unopened: Callable[[], AbstractContextManager[str]], tls: str
) -> None:
    stop, begun = Stop(), threading.Event()
    with (
        unopened() as host,
        web(HostSettings(host, tls=tls), stop=stop, timeouts=PATIENT) as own,
        ThreadPoolExecutor(1) as thread,
    ):

        def ask() -> None:
            begun.set()
            own.get(host, "/v2/")

        call = thread.submit(ask)
        assert begun.wait(60)
        time.sleep(0.3)  # so that it waits for the connection, which nobody can see
        stop.ask()
        with pytest.raises(Stopped):
            call.result(60)


def test_a_server_that_takes_no_more_of_an_upload_does_not_hold_up_the_end() -> None:
    """Law: SIGTERM and Ctrl-C end any run within 5 s of the request in flight."""
    stop, is_full, sent = Stop(grace=GRACE), threading.Event(), 0

    def content() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1024):
            sent += 1
            yield bytes(1024 * 1024)
            is_full.set()

    with (
        mute() as host,
        web(plain(host), stop=stop, timeouts=PATIENT) as own,
        ThreadPoolExecutor(1) as thread,
    ):
        how = {"body": content, "length": 2**30, "retry": False}
        call = thread.submit(own.send, host, "/v2/", "PUT", **how)
        assert is_full.wait(60)
        stop.ask()
        with pytest.raises(Stopped):
            call.result(60)
    assert sent < 1024


def test_an_address_that_does_not_come_does_not_hold_up_the_end(monkeypatch) -> None:
    asked, gone = threading.Event(), threading.Event()

    def resolve(*_arguments: object) -> object:
        asked.set()
        gone.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    stop = Stop()
    with (
        web(plain("registry.example"), stop=stop, timeouts=PATIENT) as own,
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(own.get, "registry.example", "/v2/")
        assert asked.wait(60)
        stop.ask()
        with pytest.raises(Stopped):
            call.result(30)
        gone.set()


def test_other_runs_on_the_same_transport_go_on() -> None:
    first, second = Stop(grace=GRACE), Stop()
    with silent(HALF) as server, web(plain(server.host), timeouts=PATIENT, stop=second) as own:
        answer = own.send(server.host, "/v2/")
        assert server.spoke.wait(60)
        first.ask()
        with pytest.raises(Stopped):
            own.transport.bind(first).send(server.host, _get())
        assert not server.left.wait(0.6)
        answer.close()


def _get() -> object:
    from regbot.http.exchange import Request

    return Request("GET", "/v2/", frozenset({200}))
