"""The proxy of the bench passes bytes on as they are, and counts what is asked."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.images import make_image
from support.registry import TestRegistry

PROXY = Path(__file__).parents[2] / "scripts" / "delaying_proxy.py"


class Running:
    """A proxy, and the commands that it takes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self.read()["port"]

    def ask(self, command: str) -> dict[str, Any]:
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self.read()

    def read(self) -> dict[str, Any]:
        return json.loads(self._process.stdout.readline())


@contextmanager
def proxy(upstream: str, *options: str) -> Iterator[Running]:
    command = [sys.executable, str(PROXY), upstream, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Running(process)
        finally:
            process.stdin.close()
            process.wait(10)
        assert process.stderr.read() == ""


@pytest.fixture
def registry() -> Iterator[TestRegistry]:
    with TestRegistry() as registry:
        registry.put_image("team/app", "v1")
        yield registry


def answer_of(
    port: int | str, method: str, path: str, body: bytes | Iterator[bytes] = b""
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    try:
        connection.request(method, path, body, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name != "Date"}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("delay", ["0", "4"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_comes_as_it_is(registry, method, delay):
    direct = registry.host.rpartition(":")[2]
    with proxy(registry.host, "--delay", delay) as running:
        for path in ("/v2/", "/v2/team/app/manifests/v1", "/v2/team/app/tags/list", "/none"):
            assert answer_of(running.port, method, path) == answer_of(direct, method, path)


@pytest.mark.parametrize("delay", ["0", "4"])
def test_requests_of_one_connection_are_counted_by_method(registry, delay):
    with proxy(registry.host, "--delay", delay) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        for method in ("GET", "HEAD", "GET", "POST", "GET"):
            path = "/v2/team/app/blobs/uploads/" if method == "POST" else "/v2/"
            connection.request(method, path)
            connection.getresponse().read()
        connection.close()
        counts = {"requests": {"GET": 3, "HEAD": 1, "POST": 1}, "connections": 1}
        assert running.ask("counts") == counts
        assert running.ask("counts") == {"requests": {}, "connections": 0}


@pytest.mark.parametrize("delay", ["0", "4"])
def test_a_large_body_arrives_whole_and_is_no_request(registry, delay):
    config = next(iter(make_image(labels={"n": "GET / HTTP/1.1\r\n\r\n" * 200_000}).blobs.items()))
    digest, content = config
    with proxy(registry.host, "--delay", delay) as running:
        _, headers, _ = answer_of(running.port, "POST", "/v2/team/app/blobs/uploads/")
        path = "/" + headers["Location"].split("/", 3)[-1]
        path += ("&" if "?" in path else "?") + f"digest={digest}"
        assert answer_of(running.port, "PUT", path, content)[0] == 201
        assert answer_of(running.port, "GET", f"/v2/team/app/blobs/{digest}")[2] == content
        counted = running.ask("counts")["requests"]
        assert counted == {"POST": 1, "PUT": 1, "GET": 1}


class TestCountingByBytes:
    """A server that answers nothing: requests are counted however their bytes come."""

    @pytest.fixture
    def deaf(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield f"127.0.0.1:{server.getsockname()[1]}"

    def counted(self, deaf: str, data: bytes, *, step: int) -> dict[str, int]:
        with (
            proxy(deaf) as running,
            socket.create_connection(("127.0.0.1", running.port)) as client,
        ):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), step):
                client.sendall(data[start : start + step])
            client.shutdown(socket.SHUT_WR)
            total: dict[str, int] = {}
            deadline = time.monotonic() + 60
            while sum(total.values()) < data.count(b"HTTP/1.1") and time.monotonic() < deadline:
                for method, count in running.ask("counts")["requests"].items():
                    total[method] = total.get(method, 0) + count
            return total

    @pytest.mark.parametrize("step", [1, 7, 10_000])
    def test_pipelined_chunked_and_with_a_body(self, deaf, step):
        data = (
            b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
            b"PATCH /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nHEAD \r\n10;ext=1\r\n/ DELETE / HTTP/\r\n0\r\n\r\n"
            b"PUT /c HTTP/1.1\r\ncontent-length: 6\r\n\r\nGET / "
            b"DELETE /d HTTP/1.1\r\n\r\n"
        )
        expected = {"GET": 1, "PATCH": 1, "PUT": 1, "DELETE": 1}
        assert self.counted(deaf, data, step=step) == expected


def test_every_message_is_late_by_half_a_round_trip(registry):
    """The clock is the real one; it can only be later than asked for, never earlier."""
    with proxy(registry.host) as running:
        running.ask("delay 100")
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        for _ in range(2):
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        connection.close()
        assert time.monotonic() - begun >= 0.3


def test_what_is_opaque_is_not_looked_at(registry):
    with proxy(registry.host, "--opaque") as running:
        assert answer_of(running.port, "GET", "/v2/")[0] == 200
        assert running.ask("counts") == {"requests": {}, "connections": 1}


def test_a_server_that_is_not_there_ends_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}"
    with proxy(gone) as running, pytest.raises(ConnectionError):
        answer_of(running.port, "GET", "/")
