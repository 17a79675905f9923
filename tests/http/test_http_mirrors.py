"""Mirrors: read from first, never written, and no trouble when they fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from support.httpclient import OK, plain, pull, web
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, Scripted, scripted
from support.servers import free_port

from regbot.errors import ConnectionFailed, NotFound
from regbot.http.exchange import Request
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.http.mirrors import ordered, scopes_for, url_for

PATH = "/v2/team/app/manifests/v1"


def says(text: str, status: int = 200) -> Callable[[Asked], Said]:
    return lambda _: Said(status, body=text.encode())


def read(host: str = "") -> Request:
    return Request("GET", PATH, OK, mirrors=True, scopes=pull("team/app"))


class Group:
    """An upstream and its mirrors, each a server of its own."""

    def __init__(self, stack: ExitStack, *answers: Callable[[Asked], Said]) -> None:
        self.servers = [stack.enter_context(scripted(x)) for x in answers]

    @property
    def up(self) -> Scripted:
        return self.servers[0]

    @property
    def mirrors(self) -> tuple[str, ...]:
        return tuple(x.host for x in self.servers[1:])

    def upstream(self, **settings: object) -> HostSettings:
        return plain(self.up.host, mirrors=self.mirrors, **settings)

    @property
    def asked(self) -> list[int]:
        return [len(x.asked) for x in self.servers]


def test_reads_go_to_the_mirror_and_say_whom_it_stands_for() -> None:
    """Config: ``mirrors``: read from these first; ``?ns=`` says whom they stand for."""
    with ExitStack() as stack:
        group = Group(stack, says("up"), says("mirror"))
        own = stack.enter_context(web(group.upstream(), *map(plain, group.mirrors)))
        with own.exchange.send(group.up.host, read()) as response:
            assert response.read() == b"mirror"
        name = group.up.host.replace(":", "%3A")
        assert group.servers[1].lines == [f"GET {PATH}?ns={name}"]
        assert group.asked == [0, 1]


def test_writes_and_reads_that_must_be_fresh_never_go_to_mirrors() -> None:
    """Config: ``mirrors`` are never written."""
    with ExitStack() as stack:
        group = Group(stack, says("up"), says("mirror"))
        own = stack.enter_context(web(group.upstream(), *map(plain, group.mirrors)))
        for method in ("GET", "PUT", "DELETE", "POST"):
            own.exchange.send(group.up.host, Request(method, PATH, OK)).close()
        assert group.asked == [4, 0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_mirror_that_fails_in_any_way_is_passed_over_at_once(status: int) -> None:
    """Reads fall over to the next mirror."""
    with ExitStack() as stack:
        group = Group(stack, says("up"), says("no", status), says("second"))
        own = stack.enter_context(web(group.upstream(), *map(plain, group.mirrors)))
        with own.exchange.send(group.up.host, read()) as response:
            assert response.read() == b"second"
        assert group.asked == [0, 1, 1]


def test_a_mirror_that_is_not_there_is_passed_over_and_then_asked_last() -> None:
    """Reads fall over to the next mirror."""
    gone = f"127.0.0.1:{free_port()}"
    now = [time.monotonic()]
    with ExitStack() as stack:
        group = Group(stack, says("up"))
        upstream = plain(group.up.host, mirrors=(gone,))
        own = stack.enter_context(web(upstream, plain(gone), clock=lambda: now[0]))
        for _ in range(3):
            own.exchange.send(group.up.host, read()).close()
        tried = [x for x in own.events if getattr(x, "host", "") == gone]
        assert len(tried) == 1
        now[0] += 61
        own.exchange.send(group.up.host, read()).close()
        tried = [x for x in own.events if getattr(x, "status", 1) == 0]
        assert len(tried) == 2


def test_the_error_of_the_upstream_is_the_one_that_counts() -> None:
    gone = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        group = Group(stack, says("no", 404), says("down", 503))
        upstream = plain(group.up.host, mirrors=(gone, *group.mirrors))
        own = stack.enter_context(web(upstream, plain(gone), *map(plain, group.mirrors)))
        with pytest.raises(NotFound, match=group.up.host):
            own.exchange.send(group.up.host, read())


def test_the_lower_priority_is_asked_first_and_the_upstream_competes() -> None:
    """Config: ``priority``."""
    up = HostSettings("up", priority=5)
    mirrors = [HostSettings("a", priority=9), HostSettings("b", priority=5), HostSettings("c")]

    def names(*down: str) -> list[str]:
        is_down = {host.name: host.name in down for host in (*mirrors, up)}
        return ordered(up, (*mirrors, up), is_down)

    assert names() == ["c", "b", "up", "a"]
    assert names("c") == ["b", "up", "a", "c"]


def test_mirrors_after_the_upstream_help_only_when_it_can_not_answer() -> None:
    with ExitStack() as stack:
        group = Group(stack, says("gone", 404), says("stale"))
        later = plain(group.mirrors[0], priority=1)
        own = stack.enter_context(web(group.upstream(), later))
        with pytest.raises(NotFound):
            own.exchange.send(group.up.host, read())
        group.up.answers = says("down", 503)
        with own.exchange.send(group.up.host, read()) as response:
            assert response.read() == b"stale"


def test_each_mirror_has_its_own_login() -> None:
    """Law: credentials go only to the host they are for."""
    quirks = Quirks(auth="bearer", users={"joe": "mirror password"})
    with TestRegistry() as up, TestRegistry(quirks) as mirror:
        mirror.put_image("team/app", "v1")
        login = plain(mirror.host, login=Login("joe", Secret("mirror password")))
        with web(plain(up.host, mirrors=(mirror.host,)), login) as own:
            own.exchange.send(up.host, read()).close()
        assert up.requests == []


def test_a_path_prefix_stands_before_repositories_and_in_scopes() -> None:
    """Config: ``pathPrefix``: added before repositories."""
    quirks = Quirks(auth="bearer", users={"joe": "pw"}, scope_in_challenge=False)
    with TestRegistry() as up, TestRegistry(quirks) as mirror:
        mirror.put_image("hub/team/app", "v1")
        own_mirror = plain(mirror.host, login=Login("joe", Secret("pw")), path_prefix="hub")
        with web(plain(up.host, mirrors=(mirror.host,)), own_mirror) as own:
            own.exchange.send(up.host, read()).close()
        assert up.requests == []


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/v2/a/b/tags/list?n=5", "https://m.example:5/v2/hub/x/a/b/tags/list?n=5&ns=docker.io"),
        ("/v2/", "https://m.example:5/v2/?ns=docker.io"),
        ("/v2/_catalog?n=5", "https://m.example:5/v2/_catalog?n=5&ns=docker.io"),
    ],
)
def test_what_gets_a_prefix(path: str, url: str) -> None:
    mirror = HostSettings("m", hostname="m.example:5", path_prefix="/hub/x/")
    assert url_for(mirror, path, HostSettings("docker.io")) == url
    assert scopes_for(mirror, pull("a"))[0].name == "hub/x/a"


def test_an_upstream_with_hostname_and_prefix_gets_no_ns() -> None:
    """Config: ``hostname``: where to connect, when it is not the name."""
    host = HostSettings("docker.io", path_prefix="p")
    assert url_for(host, "/v2/a/x", host) == "https://registry-1.docker.io/v2/p/a/x"


def test_the_next_page_of_a_mirror_comes_from_the_mirror() -> None:
    """PITFALLS: follow ``Link`` as given."""
    with ExitStack() as stack:
        group = Group(stack, says("up"), says("page"))
        own = stack.enter_context(web(group.upstream(), *map(plain, group.mirrors)))
        url = f"http://{group.mirrors[0]}/v2/team/app/tags/list?last=x"
        with own.exchange.send(group.up.host, Request("GET", url, OK, mirrors=True)) as page:
            assert page.read() == b"page"
        assert group.asked == [0, 1]


def test_when_nobody_is_there_the_upstream_is_named() -> None:
    up, gone = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with (
        web(plain(up, mirrors=(gone,)), plain(gone)) as own,
        pytest.raises(ConnectionFailed, match=up),
    ):
        own.exchange.send(up, read())


def test_a_mirror_that_asks_for_patience_is_not_waited_for() -> None:
    """PITFALLS: 429 may carry ``Retry-After``."""
    waits: list[float] = []
    busy = Said(429, {"Retry-After": "300"})
    with ExitStack() as stack:
        group = Group(stack, says("up"), lambda _: busy)
        own = stack.enter_context(
            web(
                group.upstream(),
                *map(plain, group.mirrors),
                clock=lambda: 61.0 * len(group.up.asked),
                wait=lambda _, seconds: waits.append(seconds),
            )
        )
        for _ in range(4):
            own.exchange.send(group.up.host, read()).close()
        assert group.asked == [4, 1]
        assert waits == []
