"""Redirects, and URLs that registries hand out: who gets credentials, and who does not."""

from __future__ import annotations

import json

import pytest
from support.httpclient import OK, plain, pull, web
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import ConnectionFailed, InvalidValue, RegistryError, Unauthorized
from regbot.events import Exchanged
from regbot.http.exchange import Request
from regbot.http.hosts import Login, Secret
from regbot.http.redirects import redirected
from regbot.redaction import redacted

LOGIN = {"login": Login("joe", Secret("geheim"))}


def logged_in(asked: Asked, then: Said) -> Said:
    """Wants basic authentication first."""
    if "authorization" in asked.headers:
        return then
    return Said(401, {"WWW-Authenticate": 'Basic realm="x"'})


def test_a_blob_from_a_storage_host_is_fetched_without_authorization() -> None:
    """PITFALLS: Blob GET is often a redirect to a storage host: no Authorization there."""
    quirks = Quirks(auth="bearer", users={"joe": "geheim"}, blob_redirect=True)
    with TestRegistry(quirks) as registry, web(plain(registry.host, **LOGIN)) as own:
        registry.put_image("app", "v1")
        digest, content = next(iter(registry.blobs("app").items()))
        assert own.get(registry.host, f"/v2/app/blobs/{digest}", scopes=pull("app")) == content
        (stored,) = registry.asked(role="storage")
        assert "authorization" not in stored.headers
        assert "?" in stored.path
        query = stored.path.partition("?")[2]
        assert query not in repr(own.events)


def test_credentials_stay_on_the_same_host_and_port() -> None:
    """Law: credentials go only to the host they are for."""

    def answers(asked: Asked) -> Said:
        moved = Said(307, {"Location": "/v2/there"})
        return logged_in(asked, moved if asked.path == "/v2/here" else Said(200, body=b"x"))

    with scripted(answers) as server, web(plain(server.host, **LOGIN)) as own:
        with own.send(server.host, "/v2/here") as response:
            assert response.url == f"http://{server.host}/v2/there"
            assert response.read() == b"x"
        assert "authorization" in server.asked[-1].headers


def test_credentials_do_not_come_back_after_a_detour() -> None:
    """Law: credentials are dropped on a redirect to another host."""
    with scripted(lambda _: Said(302, {"Location": f"http://{home.host}/v2/back"})) as away:

        def answers(asked: Asked) -> Said:
            if asked.path == "/v2/back":
                return Said(200, body=asked.headers.get("authorization", "none").encode())
            return logged_in(asked, Said(302, {"Location": f"http://{away.host}/x"}))

        with scripted(answers) as home, web(plain(home.host, **LOGIN)) as own:
            assert own.get(home.host, "/v2/a") == b"none"
            assert "authorization" not in away.asked[0].headers


def test_a_login_that_another_host_asks_for_is_not_answered() -> None:
    """Law: credentials go only to the host they are for."""
    asks = {"WWW-Authenticate": 'Basic realm="x"'}
    with (
        scripted(lambda _: Said(401, asks)) as away,
        scripted(lambda _: Said(307, {"Location": f"http://{away.host}/x"})) as home,
        web(plain(home.host, **LOGIN)) as own,
    ):
        with pytest.raises(Unauthorized):
            own.get(home.host, "/v2/a")
        assert ["authorization" in x.headers for x in away.asked] == [False]


def test_ten_redirects_are_followed_and_no_more() -> None:
    def answers(asked: Asked) -> Said:
        step = int(asked.path.rpartition("/")[2])
        return Said(307, {"Location": str(step - 1)}) if step else Said(200, body=b"end")

    with scripted(answers) as server, web(plain(server.host)) as own:
        assert own.get(server.host, "/v2/10") == b"end"
        with pytest.raises(RegistryError, match="redirected more than 10 times"):
            own.get(server.host, "/v2/11")


@pytest.mark.parametrize(
    "location",
    ["", "ftp://h/x", "file:///etc/passwd", "http://[x", "//:9/", "http://h:x/"],
)
def test_a_redirect_to_nowhere_is_one_clear_error(location: str) -> None:
    with (
        scripted(lambda _: Said(307, {"Location": location})) as server,
        web(plain(server.host)) as own,
    ):
        with pytest.raises(RegistryError, match="is redirected"):
            own.get(server.host, "/v2/a?sig=geheim")
        assert len(server.asked) == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_write_is_not_sent_to_another_host(method: str, status: int) -> None:
    """Law: nothing is written where nobody asked to write."""
    with (
        scripted(lambda _: Said()) as away,
        scripted(lambda _: Said(status, {"Location": f"http://{away.host}/x?sig=1"})) as home,
        web(plain(home.host)) as own,
    ):
        with pytest.raises(RegistryError, match=f"which a {method} does not follow") as caught:
            own.send(home.host, "/v2/a", method, body=b"content")
        assert "sig" not in str(caught.value)
        assert away.asked == []


@pytest.mark.parametrize(("status", "followed"), [(307, True), (308, True), (302, False)])
def test_a_write_may_move_within_its_host(status: int, followed: bool) -> None:
    def answers(asked: Asked) -> Said:
        return Said(status, {"Location": "/v2/b"}) if asked.path == "/v2/a" else Said(201)

    with scripted(answers) as server, web(plain(server.host)) as own:
        request = Request("PUT", "/v2/a", frozenset({201}), body=lambda: iter([b"abc"]), length=3)
        if followed:
            own.exchange.send(server.host, request).close()
            assert [x.body for x in server.asked] == [b"abc", b"abc"]
        else:
            with pytest.raises(RegistryError, match="is redirected"):
                own.exchange.send(server.host, request)


@pytest.mark.parametrize(
    ("url", "location", "kept"),
    [
        ("https://r.example/a", "/b", True),
        ("https://r.example/a", "https://R.example:443/b", True),
        ("https://r.example/a", "http://r.example/b", False),
        ("http://r.example/a", "https://r.example/b", False),
        ("https://r.example/a", "https://r.example:444/b", False),
        ("https://r.example/a", "https://x.r.example/b", False),
        ("https://r.example/a", "//other.example/b", False),
        ("https://r.example/a", "https://r.example@other.example/b", False),
    ],
)
def test_credentials_need_the_same_scheme_host_and_port(
    url: str, location: str, kept: bool
) -> None:
    """Law: credentials go only to the host they are for."""
    headers = {"authorization": "Basic x", "Cookie": "y", "Range": "bytes=5-"}
    found = redirected(Request("GET", url, headers=headers, authorization="Basic z"), 307, location)
    assert set(found.headers) == ({"authorization", "Cookie", "Range"} if kept else {"Range"})
    assert found.authorization == ("Basic z" if kept else "")
    assert "@" not in found.url


def test_a_location_may_be_utf_8() -> None:
    found = redirected(Request("GET", "http://h/a"), 307, "/ü".encode().decode("latin-1"))
    assert found.url == "http://h/ü"
    with pytest.raises(InvalidValue):
        redirected(Request("GET", "http://h/a"), 307, "")


def test_a_url_of_the_registry_itself_gets_credentials() -> None:
    """PITFALLS: upload ``Location`` may be absolute."""
    with (
        scripted(lambda x: logged_in(x, Said(200, body=b"x"))) as server,
        web(plain(server.host, **LOGIN)) as own,
    ):
        assert own.get(server.host, f"http://{server.host}/v2/a?last=b") == b"x"
        assert server.lines[-1] == "GET /v2/a?last=b"


def test_a_url_of_another_host_gets_none() -> None:
    """PITFALLS: a ``Link`` that leaves the host gets no credentials."""
    with (
        scripted(lambda x: Said(200, body=b"x")) as away,
        scripted(lambda x: logged_in(x, Said())) as home,
        web(plain(home.host, **LOGIN), plain(away.host, **LOGIN)) as own,
    ):
        own.get(home.host, "/v2/")
        assert own.get(home.host, f"http://{away.host}/v2/a") == b"x"
        assert "authorization" not in away.asked[0].headers


def test_nothing_is_written_to_a_plain_url_of_another_host() -> None:
    with scripted(lambda _: Said(201)) as away, web() as own:
        request = Request("PUT", f"http://{away.host}/x?sig=geheim", OK, body=b"x")
        with pytest.raises(ConnectionFailed, match="plain http URL to write to") as caught:
            own.exchange.send("r.example", request)
        assert "geheim" not in str(caught.value)
        assert away.asked == []


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "x", "", "http://[", "http://h:x/"])
def test_a_url_that_is_none_is_one_clear_error(url: str) -> None:
    with web(plain("r.example")) as own, pytest.raises(ConnectionFailed, match="hands out"):
        own.get("r.example", url)


def test_shown_urls_have_no_user_query_or_fragment() -> None:
    """PITFALLS: a signed URL is not logged with its query."""
    assert redacted("https://u:p@h.example:5/v2/a?token=t#f") == "https://h.example:5/v2/a"
    assert redacted("http://[broken") == "(a URL that can't be read)"


def test_events_show_no_query() -> None:
    """PITFALLS: a signed URL is not logged with its query."""
    with (
        scripted(lambda _: Said(200, body=json.dumps({}).encode())) as server,
        web(plain(server.host)) as own,
    ):
        own.get(server.host, "/v2/a?sig=geheim")
        (event,) = [x for x in own.events if isinstance(x, Exchanged)]
        assert event.url == f"http://{server.host}/v2/a"
        assert "geheim" not in repr(event)
