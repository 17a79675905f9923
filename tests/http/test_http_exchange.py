"""What one request does on the wire: statuses, retries, bodies, redirects, errors."""

from __future__ import annotations

import gc
import json
import weakref

import pytest
from support.httpclient import OK, plain, web
from support.registry import TestRegistry
from support.scripted import Said, always, scripted, then

from regbot.errors import (
    Forbidden,
    NotFound,
    NotSupported,
    RegistryError,
    ServerFault,
    SizeMismatch,
    TooManyRequests,
)
from regbot.events import Delayed
from regbot.http.exchange import Request
from regbot.version import __version__


def test_a_request_says_who_asks_and_gets_status_headers_and_body() -> None:
    with scripted(always(200, b"hello", X_Thing="a")) as server, web(plain(server.host)) as own:
        with own.send(server.host, "/v2/?n=1", headers={"Accept": "x/y"}) as response:
            assert (response.status, response.headers["x-thing"]) == (200, "a")
            assert response.url == f"http://{server.host}/v2/?n=1"
            assert response.read() == b"hello"
        asked = server.asked[0]
        assert asked.headers["user-agent"] == f"regbot/{__version__}"
        assert asked.headers["accept"] == "x/y"
        assert asked.headers["accept-encoding"] == "identity"
        assert own.events[-1].status == 200  # type: ignore[union-attr]


def test_the_user_agent_of_the_config_is_sent() -> None:
    """Config: ``userAgent``."""
    with (
        scripted(always()) as server,
        web(plain(server.host), client={"user_agent": "mine/1"}) as own,
    ):
        own.get(server.host, "/v2/")
        assert server.asked[0].headers["user-agent"] == "mine/1"


def test_an_unknown_host_is_asked_by_https() -> None:
    with web() as own:
        assert own.exchange.host("r.example").scheme == "https"
        assert own.exchange.host("index.docker.io").address == "registry-1.docker.io"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_an_overloaded_registry_is_asked_again(status: int) -> None:
    """PITFALLS: 429 and 5xx say nothing final."""
    script = then(Said(status), Said(status), Said(200, body=b"at last"))
    with scripted(script) as server, web(plain(server.host)) as own:
        assert own.get(server.host, "/v2/") == b"at last"
        assert len(server.asked) == 3
        assert next(x.why for x in own.events if isinstance(x, Delayed)) == f"status {status}"


@pytest.mark.parametrize(
    ("status", "kind"), [(503, ServerFault), (500, ServerFault), (429, TooManyRequests)]
)
def test_after_five_tries_the_error_is_raised(status: int, kind: type[Exception]) -> None:
    """PITFALLS: no retry storm."""
    with scripted(always(status)) as server, web(plain(server.host)) as own:
        with pytest.raises(kind):
            own.get(server.host, "/v2/")
        assert len(server.asked) == 5


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 416])
def test_an_answer_that_will_not_change_is_not_asked_for_again(status: int) -> None:
    """PITFALLS: stop at once when it is refused."""
    with scripted(always(status)) as server, web(plain(server.host)) as own:
        with pytest.raises(RegistryError) as caught:
            own.get(server.host, "/v2/")
        assert caught.value.status == status
        assert len(server.asked) == 1


def test_what_must_not_be_sent_twice_is_sent_once() -> None:
    with scripted(always(503)) as server, web(plain(server.host)) as own:
        with pytest.raises(ServerFault):
            own.send(server.host, "/v2/a/blobs/uploads/1", "PATCH", body=b"x", retry=False)
        assert len(server.asked) == 1


def test_retry_after_is_waited_for() -> None:
    """PITFALLS: 429 may carry ``Retry-After`` as seconds or as an HTTP date."""
    waits: list[float] = []
    script = then(Said(429, {"Retry-After": "7"}), Said())
    with (
        scripted(script) as server,
        web(plain(server.host), wait=lambda _, s: waits.append(s), clock=lambda: sum(waits)) as own,
    ):
        own.get(server.host, "/v2/")
        assert waits == [7.0]


def test_a_body_that_is_a_function_is_sent_from_its_start_on_each_try() -> None:
    with scripted(then(Said(503), Said(201))) as server, web(plain(server.host)) as own:
        request = Request(
            "PUT", "/v2/x", frozenset({201}), body=lambda: iter([b"ab", b"cd"]), length=4
        )
        own.exchange.send(server.host, request).close()
        assert [x.body for x in server.asked] == [b"abcd", b"abcd"]
        assert server.asked[0].headers["content-length"] == "4"
        assert "transfer-encoding" not in server.asked[0].headers


@pytest.mark.parametrize("chunks", [[b"abc"], [b"abcde"]])
def test_content_of_another_length_than_said_is_an_error(chunks: list[bytes]) -> None:
    with scripted(always(201)) as server, web(plain(server.host)) as own:
        request = Request("PUT", "/v2/x", OK, body=lambda: iter(chunks), length=4)
        with pytest.raises(SizeMismatch, match="not 4 bytes"):
            own.exchange.send(server.host, request)


def test_an_error_says_method_url_status_codes_and_messages_without_query() -> None:
    """PITFALLS: a signed URL is not logged with its query."""
    body = json.dumps(
        {"errors": [{"code": "denied", "message": "no\nway \x1b[31m", "detail": {"a": 1}}]}
    ).encode()
    with scripted(always(403, body)) as server, web(plain(server.host)) as own:
        with pytest.raises(Forbidden) as caught:
            own.get(server.host, "/v2/app/tags/list?sig=geheim")
        assert caught.value.codes == ("DENIED",)
        url = f"http://{server.host}/v2/app/tags/list"
        assert str(caught.value).startswith(f"GET {url}: 403 Forbidden: DENIED no way \\x1b[31m;")
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>Login</html>", "404 Not Found: the response is an HTML page"),
        (
            b"<html><title>\nGone &amp; lost\n</title></html>",
            "the response is an HTML page, not a registry's answer: Gone & lost",
        ),
        (b"plain words\n", "404 Not Found: plain words"),
        (b'{"message": "gone"}', "404 Not Found: gone"),
        (b'{"errors": [5, {"code": 7}]}', "404 Not Found"),
        (b'{"errors": "x"}', "404 Not Found"),
        (b"[" * 60_000, "404 Not Found: \\["),
        (b"", "404 Not Found$"),
        (b"\xff\xfe\x00", "404 Not Found: "),
    ],
)
def test_odd_error_bodies_are_still_one_line(body: bytes, said: str) -> None:
    """Law: wrong input gives one clear line."""
    with scripted(always(404, body)) as server, web(plain(server.host)) as own:
        with pytest.raises(NotFound, match=said) as caught:
            own.get(server.host, "/v2/")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_unsupported_is_known_by_status_or_code() -> None:
    """PITFALLS: with delete switched off 405 UNSUPPORTED."""
    body = b'{"errors": [{"code": "UNSUPPORTED"}]}'
    for answer in (Said(405), Said(400, body=body)):
        with scripted(then(answer)) as server, web(plain(server.host)) as own:
            request = Request("DELETE", "/v2/a/manifests/x", OK)
            with pytest.raises(NotSupported):
                own.exchange.send(server.host, request)


def test_a_huge_error_body_is_not_read_to_its_end() -> None:
    with scripted(always(404, b"x" * 30_000_000)) as server, web(plain(server.host)) as own:
        with pytest.raises(NotFound) as caught:
            own.get(server.host, "/v2/")
        assert len(str(caught.value)) < 500


def test_a_body_over_the_limit_is_refused() -> None:
    """Config: ``blobLimit`` bounds manifests and configs."""
    with (
        scripted(always(200, b"x" * 2000)) as server,
        web(plain(server.host), client={"blob_limit": 1999}) as own,
    ):
        assert own.exchange.blob_limit == 1999
        with pytest.raises(SizeMismatch, match=r"more than 1\.95 KiB"):
            own.get(server.host, "/v2/")
        with own.send(server.host, "/v2/") as response:
            assert len(response.read(2000)) == 2000
        with own.send(server.host, "/v2/") as response:
            assert sum(map(len, response.chunks())) == 2000


def test_the_limit_is_four_mebibytes_by_default() -> None:
    """Config: ``blobLimit: 4MiB``."""
    with web() as own:
        assert own.exchange.blob_limit == 4 * 1024 * 1024


def test_content_encoding_from_a_proxy_in_between_is_undone() -> None:
    import gzip

    body = gzip.compress(b"hello " * 1000)
    with (
        scripted(always(200, body, Content_Encoding="gzip")) as server,
        web(plain(server.host)) as own,
    ):
        assert own.get(server.host, "/v2/") == b"hello " * 1000
        with own.send(server.host, "/v2/") as response, pytest.raises(SizeMismatch):
            response.read(5999)


def test_cookies_are_not_kept() -> None:
    with (
        scripted(always(200, Set_Cookie="a=b; Path=/")) as server,
        web(plain(server.host)) as own,
    ):
        own.get(server.host, "/v2/")
        own.get(server.host, "/v2/")
        assert "cookie" not in server.asked[1].headers


def test_connections_are_used_again() -> None:
    ports: set[int] = set()
    with TestRegistry() as registry, web(plain(registry.host)) as own:
        for _ in range(5):
            own.get(registry.host, "/v2/")
        listener = registry._listeners["registry"]
        ports = {x.getpeername()[1] for x in listener._open}
        assert len(ports) == 1


def test_an_error_that_was_handled_is_freed_without_a_search_for_garbage() -> None:
    """A command looks for garbage rarely, and each error has its request and its answer."""
    with scripted(always(404)) as server, web(plain(server.host)) as own:
        gc.disable()
        try:
            with pytest.raises(NotFound) as caught:
                own.send(server.host, "/v2/")
            error = weakref.ref(caught.value)
            del caught
            assert error() is None
        finally:
            gc.enable()
