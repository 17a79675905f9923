"""What holds for every answer: who is asked for, headers, errors that tell nothing."""

from __future__ import annotations

import socket

import pytest
from support.configs import load
from support.sites import FakeService, listening

from regbot.errors import InvalidValue, StorageError, UsageError
from regbot.serve.address import Address
from regbot.serve.app import guarded, is_for, make_app
from regbot.serve.listening import Limits
from regbot.serve.live import Live
from regbot.serve.metrics import Metrics
from regbot.serve.site import Site


@pytest.fixture(scope="module")
def place():
    with listening() as place:
        yield place


def asked(port, text):
    """The answer to a request as it is on the wire."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(text.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def as_long_as_allowed(request_text):
    """A request that is no longer than what is read of it, so that the answer arrives."""
    return request_text.replace("*", "x" * (Limits().header - len(request_text) + 1))


def test_the_process_says_that_it_answers(place):
    answer = place.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_log_says_where_it_listens(place):
    (line,) = place.messages()
    assert (line.level, line.text) == ("info", "listening")
    assert line.fields == {"url": place.url}


def test_head_has_the_headers_alone(place):
    answer = place.get("/healthz", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "3"


@pytest.mark.parametrize("host", ["localhost", "evil.example.org"])
def test_head_of_what_is_refused_has_no_body_either(place, host):
    text = asked(place.port, f"HEAD /nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n")
    head, _, body = text.partition("\r\n\r\n")
    assert head.split()[1] == ("404" if host == "localhost" else "421")
    assert body == ""


@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
def test_every_answer_is_safe_to_show_and_is_not_kept(place, path):
    headers = place.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/nowhere", "/<script>", "/%3Cscript%3E", "/healthz/..%2f"])
def test_an_unknown_path_is_not_repeated(place, path):
    answer = place.get(path)
    assert (answer.status_code, answer.text) == (404, "404 Not Found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_other_methods_are_refused(place, method):
    answer = place.get("/healthz", method)
    assert (answer.status_code, answer.text) == (405, "405 Method Not Allowed\n")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


def test_a_page_takes_no_posts(place):
    answer = place.get("/healthz", "POST")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("nonsense\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nsecret words\r\n\r\n", 400),
        ("get /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: zip\r\n\r\n", 501),
        (as_long_as_allowed("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: *\r\n\r\n"), 431),
        (as_long_as_allowed("GET /* HTTP/1.1\r\nHost: localhost\r\n\r\n"), 431),
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(place, request_text, status):
    head, _, body = asked(place.port, request_text).partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    assert first.split()[1] == str(status)
    assert body.startswith(str(status))
    assert len(body) < 60
    assert "secret words" not in body
    assert "X-Content-Type-Options: nosniff" in headers
    assert place.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "10.1.2.3:80", "[::1]", "[::1]:8080",
     "regbot.example.org", "Regbot.Example.org:443"],
)  # fmt: skip
def test_addresses_and_known_names_are_served(host):
    assert is_for(host, frozenset({"regbot.example.org"}))


@pytest.mark.parametrize(
    "host",
    ["", "example.org", "evil.regbot.example.org", "regbot.example.org.evil", "localhost.evil",
     "127.0.0.1.evil", "[evil]", "[::1", "::1", "a b", "localhost:80:90", "user@localhost"],
)  # fmt: skip
def test_other_names_are_not(host):
    assert not is_for(host, frozenset({"regbot.example.org"}))


def test_a_name_of_somebody_else_gets_no_page():
    config = load("server: {hosts: [regbot.example.org], url: 'https://pages.example.org'}")
    with listening(FakeService(config)) as place:

        def status(host, path="/"):
            return place.get(path, headers={"Host": host}).status_code

        assert status("evil.example.org") == 421
        assert place.get("/", headers={"Host": "evil.example.org"}).text.startswith("421 ")
        assert status("evil.example.org", "/healthz") == 200
        assert status("regbot.example.org") != 421
        assert status("pages.example.org") != 421
        forwarded = {"Host": "evil.example.org", "X-Forwarded-Host": "localhost"}
        assert place.get("/", headers=forwarded).status_code == 421


def answer_of(app, **environ):
    told = []
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "localhost", **environ}
    body = b"".join(app(asked, lambda status, headers, exc_info=None: told.append(status)))
    return told[0], body.decode()


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        (ZeroDivisionError("a secret"), "500 Internal Server Error", "error"),
        (StorageError("a secret"), "503 Service Unavailable", "warn"),
    ],
)
def test_an_error_is_in_the_log_and_not_in_the_answer(error, status, level):
    events = []

    def fail(environ, start_response):
        raise error

    site = Site(
        FakeService(), events.append, "localhost", lambda: 0.0, Live(lambda: 0.0), Metrics()
    )
    assert answer_of(guarded(fail, site)) == (status, f"{status}\n")
    (line,) = events
    assert line.level == level
    assert "a secret" in line.text


def test_a_name_given_to_listen_is_served():
    live = Live(lambda: 0.0)
    site = Site(
        FakeService(), lambda event: None, "Machine.example.org", lambda: 0.0, live, Metrics()
    )
    app = make_app(site)
    assert (
        answer_of(app, HTTP_HOST="machine.example.org:80", PATH_INFO="/none")[0] == "404 Not Found"
    )
    assert answer_of(app, HTTP_HOST="other.example.org", PATH_INFO="/none")[0].startswith("421")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("localhost:80", "localhost", 80),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_addresses_are_read(text, host, port):
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "::1:8080", "[::1]",
     "localhost:65536", "localhost:123456", "localhost:-1", "localhost:\u0661", "a b:80",
     "*:8080", "http://localhost:80"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidValue, match=r"HOST:PORT, such as 127\.0\.0\.1:8080"):
        Address.parse(text)


def test_an_address_in_use_is_told(place):
    with pytest.raises(UsageError, match=r"--listen 127\.0\.0\.1:\d+: another program listens"):
        Address("127.0.0.1", place.port).bind()


def test_an_address_of_another_machine_is_told():
    with pytest.raises(UsageError, match=r"--listen 192\.0\.2\.1:0: this machine has no such"):
        Address("192.0.2.1", 0).bind()


def test_a_host_without_address_is_told():
    with pytest.raises(UsageError, match=r"no address is known"):
        Address("nowhere.invalid", 0).bind()


def test_the_port_is_free_when_it_has_ended():
    with listening() as place:
        place.get("/healthz")
        port = place.port
    with Address("127.0.0.1", port).bind() as again:
        assert again.getsockname()[1] == port
