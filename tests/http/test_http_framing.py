"""Where one answer ends and the next begins (RFC 9112, sections 6 and 9)."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.httpclient import Web, plain, web

from regbot.errors import ConnectionFailed
from regbot.http.hosts import HostSettings

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
WORLD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld"


@contextmanager
def answering(
    *connections: list[bytes], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[int]]]:
    """A server with the answers of each connection; gives its host, and requests by connection."""
    asked = [0] * len(connections)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number, answers in enumerate(connections):
                connection, _ = listener.accept()
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    for answer in answers:
                        if not connection.recv(65536):
                            break
                        asked[number] += 1
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked


FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"


Asking = Callable[..., AbstractContextManager[tuple[Web, str, list[int]]]]


@pytest.fixture(params=["on a new connection", "on an open one"])
def asking(request: pytest.FixtureRequest) -> Asking:
    """Connects to a server with the answers of each connection, see ``answering``.

    The first connection is new, or has had an answer that is not counted.
    """
    is_open = request.param == "on an open one"

    @contextmanager
    def ask(*connections: list[bytes]) -> Iterator[tuple[Web, str, list[int]]]:
        first, *others = connections
        answers = [[FIRST, *first] if is_open else first, *others]
        with answering(*answers) as (host, asked), web(plain(host)) as client:
            if is_open:
                assert client.get(host, "/v2/") == b"first"
                asked[0] -= 1
            yield client, host, asked

    return ask


@pytest.mark.parametrize(
    "surplus",
    [
        WORLD.replace(b"world", b"wrong"),
        b"more than was announced",
        b"\0\0\0",
    ],
)
def test_what_follows_an_answer_is_never_the_next_one(asking: Asking, surplus: bytes) -> None:
    with asking([HELLO + surplus, HELLO], [WORLD]) as (client, host, asked):
        assert client.get(host, "/v2/") == b"hello"
        assert client.get(host, "/v2/") == b"world"
        assert asked == [1, 1]


@pytest.mark.parametrize("length", [70_000, 130_000])
def test_what_follows_a_long_body_in_a_record_of_tls_is_never_the_next_answer(
    tmp_path: Path, length: int
) -> None:
    """What is decrypted and not read leaves nothing that could be waited for on the socket."""
    body = b"x" * length
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body
    surplus = WORLD.replace(b"world", b"wrong")
    authority = Authority.make(tmp_path)
    with (
        answering([answer + surplus, HELLO], [WORLD], tls=authority.server()) as (host, asked),
        web(HostSettings(host, ca_certificate=authority.certificate)) as client,
    ):
        assert client.get(host, "/v2/") == body
        assert client.get(host, "/v2/") == b"world"
        assert asked == [1, 1]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (HELLO, b"hello"),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
            ),
            b"hello",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + HELLO,
            b"hello",
        ),
    ],
)
def test_a_whole_answer_leaves_its_connection_to_the_next(
    asking: Asking, answer: bytes, body: bytes
) -> None:
    with asking([answer, WORLD]) as (client, host, asked):
        assert client.get(host, "/v2/") == body
        assert client.get(host, "/v2/") == b"world"
        assert asked == [2]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
)
def test_a_connection_that_ends_with_its_answer_is_not_used_again(
    asking: Asking, answer: bytes
) -> None:
    with asking([answer], [WORLD]) as (client, host, asked):
        assert client.get(host, "/v2/") == b"hello"
        assert client.get(host, "/v2/") == b"world"
        assert asked == [1, 1]


def test_an_answer_to_head_has_no_body(asking: Asking) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    with asking([head, head + b"hello"], [WORLD]) as (client, host, asked):
        for _ in range(2):
            with client.send(host, "/v2/", "HEAD") as response:
                assert response.read() == b""
                assert response.headers["content-length"] == "5"
        assert client.get(host, "/v2/") == b"world"
        assert asked == [2, 1]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: +5",
        b"Content-Length: 5\r\n : x",
        b"X: " + b"y" * 400_000,
        b"\r\n".join(b"X%d: y" % number for number in range(100_000)),
    ],
)
def test_headers_that_could_mean_two_things_or_never_end_are_refused(
    asking: Asking, headers: bytes
) -> None:
    answers = [[b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\nhello"] for _ in range(5)]
    with (
        asking(*answers) as (client, host, _),
        pytest.raises(ConnectionFailed, match=r"headers of the response are not valid HTTP/1\.1"),
    ):
        client.get(host, "/v2/")


def test_headers_of_one_name_are_joined_and_found_in_any_case(asking: Asking) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nLink: <a>\r\nlink: <b>\r\n\r\n"
    with (
        asking([answer]) as (client, host, _),
        client.send(host, "/v2/") as response,
    ):
        assert response.headers["LINK"] == "<a>, <b>"


@pytest.mark.parametrize("status", ["101 Switching Protocols", "101 x\r\nUpgrade: h2c"])
def test_a_switch_of_protocols_that_nobody_asked_for_is_an_error(
    asking: Asking, status: str
) -> None:
    answer = f"HTTP/1.1 {status}\r\nConnection: upgrade\r\n\r\n".encode()
    with (
        asking(*[[answer] for _ in range(5)]) as (client, host, _),
        pytest.raises(ConnectionFailed),
    ):
        client.get(host, "/v2/")


def test_trailers_that_never_end_are_refused(asking: Asking) -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
    with (
        asking([body + b"Trailer: x\r\n" * 100_000]) as (client, host, _),
        client.send(host, "/v2/") as response,
        pytest.raises(ConnectionFailed, match="broke off before its end"),
    ):
        response.read()


def test_a_body_in_another_encoding_is_decoded_and_its_connection_used_again(
    asking: Asking,
) -> None:
    body = gzip.compress(b"hello " * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with asking([head + body, WORLD]) as (client, host, asked):
        assert client.get(host, "/v2/") == b"hello " * 1000
        assert client.get(host, "/v2/") == b"world"
        assert asked == [2]


def test_a_body_that_breaks_off_ends_its_connection(asking: Asking) -> None:
    with asking([HELLO[:-2]], [WORLD]) as (client, host, asked):
        with (
            client.send(host, "/v2/") as response,
            pytest.raises(ConnectionFailed, match="broke off"),
        ):
            response.read()
        assert client.get(host, "/v2/") == b"world"
        assert asked == [1, 1]
