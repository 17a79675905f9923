"""Lists of tags and repositories: PITFALLS, "Listing"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.clients import Client
from support.registry import QUAY, TestRegistry

from regbot.errors import (
    ConnectionFailed,
    Forbidden,
    Malformed,
    NotFound,
    NotSupported,
    RegbotError,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.store.listing import list_repositories

APP = "team/app"


def fill(registry: TestRegistry, count: int, repository: str = APP) -> list[str]:
    digest = registry.put_image(repository, "")
    names = sorted(f"t{number}" for number in range(count))
    for name in names:
        registry.tag(repository, name, digest)
    return names


@pytest.mark.parametrize("link", ["relative", "absolute", "unquoted"])
@pytest.mark.parametrize("parameter", ["last", "next_page"])
def test_every_form_of_link_is_followed(link: str, parameter: str) -> None:
    """Follow Link as given: relative or absolute, other parameter names, quoted or not."""
    with TestRegistry(page_size=7, link=link, page_parameter=parameter) as registry:
        names = fill(registry, 45)
        with Client(registry.host) as client:
            assert client.store().tags() == names
        assert len(registry.asked("GET", "/tags/list")) == 7


def test_quay_pages() -> None:
    """Other parameter names, as on Quay."""
    with TestRegistry(QUAY, auth="") as registry:
        names = fill(registry, 120)
        with Client(registry.host) as client:
            assert client.store().tags() == names


@pytest.mark.parametrize("count", [20, 21, 25, 40])
def test_a_full_page_without_link_asks_for_what_comes_after(count: int) -> None:
    """Without Link, a full page may need ``last``."""
    with TestRegistry(page_size=20, link="none") as registry:
        names = fill(registry, count)
        with Client(registry.host) as client:
            assert client.store().tags() == names
            assert client.store().tags(limit=100) == names[:20]


def test_a_limit_larger_than_a_page_goes_on_with_last() -> None:
    """Without Link, a full page with n needs last; nothing new is the end."""
    with TestRegistry(page_size=0, link="none") as registry:
        names = fill(registry, 2500)
        with Client(registry.host) as client:
            assert client.store().tags(limit=2200) == names[:2200]
            assert client.store().tags(limit=5, last=names[9]) == names[10:15]
            assert client.store().tags(last=names[-3]) == names[-2:]


def test_no_tags_may_be_null() -> None:
    """``tags: null`` happens."""
    with TestRegistry(null_tags=True) as registry:
        registry.put_image(APP, "")
        with Client(registry.host) as client:
            assert client.store().tags() == []


def test_an_unknown_repository_is_not_an_empty_one() -> None:
    """PITFALLS: what can't be listed is an error, never an empty list."""
    with TestRegistry() as registry, Client(registry.host) as client, pytest.raises(NotFound):
        client.store().tags()


def test_a_link_that_goes_round_is_an_error() -> None:
    """A Link loop is an error."""
    with TestRegistry(page_size=5, link="loop") as registry:
        fill(registry, 30)
        with Client(registry.host) as client, pytest.raises(Malformed, match="loop"):
            client.store().tags()
        assert len(registry.asked("GET", "/tags/list")) <= 2


def test_a_link_that_leaves_the_host_gets_no_credentials() -> None:
    """A Link that leaves the host gets no credentials."""
    users = {"joe": "secret"}
    with TestRegistry(page_size=5, link="elsewhere", auth="basic", users=users) as registry:
        fill(registry, 12)
        login = {"login": Login("joe", Secret("secret"))}
        with Client(registry.host, **login) as client, pytest.raises(Unauthorized):
            client.store().tags()
        hosts = {
            (entry.headers["host"].split(":")[0], "authorization" in entry.headers)
            for entry in registry.asked("GET", "last=")
        }
        assert hosts == {("localhost", False)}


@pytest.mark.parametrize(
    ("kind", "how", "error"),
    [
        ("cut", {}, Malformed),
        ("html", {}, Malformed),
        ("truncate", {}, ConnectionFailed),
        ("drop", {}, ConnectionFailed),
        ("status", {"status": 500}, ServerFault),
        ("status", {"status": 403}, Forbidden),
        ("status", {"status": 404}, NotFound),
        ("status", {"status": 429}, TooManyRequests),
    ],
)
def test_a_listing_that_breaks_in_the_middle_is_an_error(
    kind: str, how: dict[str, int], error: type[RegbotError]
) -> None:
    """A listing that breaks in the middle is an error, never a part of a list."""
    with TestRegistry(page_size=10) as registry:
        fill(registry, 35)
        registry.break_next(kind, "GET", "/tags/list", after=2, times=1000, **how)
        with Client(registry.host) as client, pytest.raises(error):
            client.store().tags()


def test_a_page_that_breaks_off_once_is_asked_for_again() -> None:
    """PITFALLS: a listing that breaks in the middle is never a part of a list."""
    with TestRegistry(page_size=10) as registry:
        names = fill(registry, 35)
        registry.break_next("truncate", "GET", "/tags/list", after=1)
        registry.break_next("drop", "GET", "/tags/list", after=3)
        with Client(registry.host) as client:
            assert client.store().tags() == names


@pytest.mark.parametrize(
    "body", [b'{"name":"x","tags":{}}', b'{"tags":[1]}', b'{"errors":[{"code":"DENIED"}]}', b"{}"]
)
def test_an_answer_that_is_no_list_is_an_error(body: bytes, requests_mock) -> None:
    """What can't be read is an error, not an empty list."""
    requests_mock.get("http://odd.test/v2/team/app/tags/list", content=body)
    with Client("odd.test") as client, pytest.raises(Malformed):
        client.store().tags()


def test_a_tag_listed_twice_counts_once(requests_mock) -> None:
    base = "http://odd.test/v2/team/app/tags/list"
    link = {"Link": '</v2/team/app/tags/list?page=2>; rel="next"'}
    requests_mock.get(base, json={"name": "x", "tags": ["a", "b"]}, headers=link)
    requests_mock.get(f"{base}?page=2", json={"name": "x", "tags": ["b", "c"]})
    with Client("odd.test") as client:
        assert client.store().tags() == ["a", "b", "c"]


def test_ten_thousand_tags() -> None:
    """PITFALLS: a short page is not the end."""
    with TestRegistry(page_size=1000) as registry:
        names = fill(registry, 10_000)
        with Client(registry.host) as client:
            assert client.store().tags() == names


def test_repositories() -> None:
    """PITFALLS: follow ``Link`` as given, for the catalog too."""
    with TestRegistry(page_size=4) as registry:
        names = sorted(f"team/app{number}" for number in range(11))
        for name in names:
            registry.put_image(name, "v1")
        with Client(registry.host) as client:
            assert list_repositories(client.exchange, registry.host) == names
            some = list_repositories(client.exchange, registry.host, limit=3, last=names[1])
            assert some == names[2:5]


def test_a_registry_without_catalog() -> None:
    """Docker Hub has no catalog."""
    with (
        TestRegistry(catalog=False) as registry,
        Client(registry.host) as client,
        pytest.raises(NotSupported, match="does not list its repositories"),
    ):
        list_repositories(client.exchange, registry.host)


@pytest.mark.parametrize("name", ["no/tag", "", "-rc", "a:b", "\ud800", "x" * 129])
def test_what_can_be_no_tag_is_an_error_that_names_the_repository(name: str) -> None:
    """A listing that holds it is not understood, and no part of it is used."""
    with TestRegistry() as registry, Client(registry.host) as client:
        digest = registry.put_image(APP, "v1")
        registry.content.repository(APP).tags[name] = digest
        with pytest.raises(Malformed, match=rf"the list of tags of {registry.host}/{APP}: tag"):
            client.store().tags()


class TestMirrors:
    """The registry itself answers for its tags, unless it can't be reached."""

    @pytest.fixture
    def both(self) -> Iterator[tuple[TestRegistry, TestRegistry]]:
        """A registry, and a mirror of it that has fallen behind and lists page by page."""
        with TestRegistry() as registry, TestRegistry(page_size=2) as mirror:
            fill(registry, 6)
            fill(mirror, 5)
            yield registry, mirror

    def client(self, registry: TestRegistry, *mirrors: HostSettings) -> Client:
        names = tuple(mirror.name for mirror in mirrors)
        return Client(registry.host, more=mirrors, mirrors=names)

    def of(self, mirror: TestRegistry, **settings: Any) -> HostSettings:
        return HostSettings(mirror.host, tls="disabled", **settings)

    @pytest.mark.parametrize(
        ("kind", "how"), [("drop", {}), ("status", {"status": 503}), ("status", {"status": 429})]
    )
    def test_a_mirror_lists_the_tags_of_a_registry_that_is_not_reached(
        self, both: tuple[TestRegistry, TestRegistry], kind: str, how: dict[str, int]
    ) -> None:
        registry, mirror = both
        registry.break_next(kind, "GET", "/tags/list", times=1000, **how)
        with self.client(registry, self.of(mirror)) as client:
            assert client.store().tags() == sorted(mirror.tags(APP))
            (warning,) = client.said("warn")
            assert f"come from its mirror {mirror.host}" in warning
            assert registry.host in warning

    def test_no_mirror_is_asked_where_the_registry_answers(
        self, both: tuple[TestRegistry, TestRegistry]
    ) -> None:
        registry, mirror = both
        with self.client(registry, self.of(mirror)) as client:
            assert client.store().tags() == sorted(registry.tags(APP))
            registry.break_next("status", "GET", "/tags/list", status=404)
            with pytest.raises(NotFound):
                client.store().tags()
            assert client.said("warn") == []
        assert mirror.requests == []

    def test_a_list_never_comes_from_two_places(
        self, both: tuple[TestRegistry, TestRegistry]
    ) -> None:
        """A part of a list changes what the newest are."""
        _, mirror = both
        with TestRegistry(page_size=2) as registry:
            fill(registry, 6)
            registry.break_next("status", "GET", "/tags/list", after=1, times=1000)
            with self.client(registry, self.of(mirror)) as client:
                assert client.store().tags() == sorted(mirror.tags(APP))

    def test_the_error_is_the_registrys_where_no_mirror_helps(
        self, both: tuple[TestRegistry, TestRegistry]
    ) -> None:
        registry, mirror = both
        registry.break_next("status", "GET", "/tags/list", times=1000)
        mirror.break_next("status", "GET", "/tags/list", after=1, times=1000, status=403)
        with (
            self.client(registry, self.of(mirror)) as client,
            pytest.raises(ServerFault, match=registry.host),
        ):
            client.store().tags()

    def test_mirrors_are_asked_by_priority(self, both: tuple[TestRegistry, TestRegistry]) -> None:
        """Config: ``priority``."""
        registry, mirror = both
        registry.break_next("status", "GET", "/tags/list", times=1000)
        with TestRegistry() as first:
            fill(first, 4)
            mirrors = self.of(mirror, priority=2), self.of(first, priority=1)
            with self.client(registry, *mirrors) as client:
                assert client.store().tags() == sorted(first.tags(APP))

    def test_what_is_read_to_decide_on_a_write_comes_from_the_registry(
        self, both: tuple[TestRegistry, TestRegistry]
    ) -> None:
        registry, mirror = both
        registry.break_next("status", "GET", "/tags/list", times=1000)
        with self.client(registry, self.of(mirror)) as client, pytest.raises(ServerFault):
            client.store(mirrors=False).tags()
        assert mirror.requests == []
