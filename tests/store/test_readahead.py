"""Read-ahead: what is asked of the registry, and when; the answers are the registry's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from support.clients import Client
from support.images import Image, make_image, make_index, make_referrer, push
from support.inprocess import Memory
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, GITEA, Quirks, TestRegistry
from support.viewing import AtOnce, Clock, Run, run_on

from regbot.errors import Forbidden, NotFound
from regbot.events import Event, Spared
from regbot.image.resolve import image_of
from regbot.oci.platform import Platform
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.oci.versions import TagVersion
from regbot.store.protocol import ReadStore

LIMIT = 100_000
REPOSITORY = "team/app"


def image_number(number: int) -> Image:
    return make_image(labels={"n": str(number)})


class World:
    """A registry in memory with one image a tag."""

    def __init__(self, tags: Iterable[str], preset: Quirks = DISTRIBUTION_3) -> None:
        self.memory = Memory(preset)
        self.registry = self.memory.registry
        self.images = {tag: image_number(n) for n, tag in enumerate(tags)}
        for tag, image in self.images.items():
            self.registry.put(REPOSITORY, tag, image)
        self.clock = Clock()

    def run(self, readahead: int = 8, **more: object):
        return run_on(
            self.memory.name,
            self.memory.bind,
            readahead=readahead,
            background=AtOnce,
            clock=self.clock,
            **more,
        )

    def asked(self, method: str = "", part: str = "") -> list[str]:
        """What was asked of one kind, without the path to the repository."""
        found = self.registry.asked(method, part)
        return [entry.path.rpartition("/")[2] for entry in found]


def numbered(count: int) -> list[str]:
    return [f"v{number:03}" for number in range(count)]


def config(view: ReadStore, tag: str) -> dict[str, str]:
    """The labels of a tag's image, as ``image.config`` reads them."""
    image = image_of(view, view.manifest(Tag(tag)))
    return view.config(image, limit=LIMIT).data["config"]["Labels"]


def newest_first(tags: Sequence[str]) -> list[str]:
    return sorted(tags, key=lambda tag: TagVersion.parse(tag).order, reverse=True)


ORDERS: dict[str, Callable[[Sequence[str]], Sequence[str]]] = {
    "as listed": list,
    "backwards": lambda tags: tags[::-1],
    "newest version first": newest_first,
    "oldest version first": lambda tags: newest_first(tags)[::-1],
    "one of a kind": lambda tags: [tag for tag in tags if tag.endswith("-alpine")],
    "versions alone": lambda tags: [tag for tag in tags if "-" not in tag],
}
MIXED = [f"v{n}.{m}.0{end}" for n in (1, 2, 9, 10, 11) for m in range(8) for end in ("", "-alpine")]


@pytest.mark.parametrize("order", ORDERS)
def test_most_of_a_walk_is_read_before_it_is_asked_for(order: str) -> None:
    world = World(MIXED)
    with world.run() as run:
        view = run.view()
        wanted = ORDERS[order](view.tags())
        early = 0
        for tag in wanted:
            world.registry.forget()
            assert config(view, tag) == {"n": str(MIXED.index(tag))}
            early += tag not in world.asked("GET", "/manifests/")
        assert early >= len(wanted) - 12


@pytest.mark.parametrize("order", ORDERS)
def test_no_more_than_one_window_is_read_in_vain(order: str) -> None:
    world = World(MIXED)
    with world.run(readahead=8) as run:
        view = run.view()
        wanted = ORDERS[order](view.tags())
        for tag in wanted:
            config(view, tag)
    manifests, blobs = world.asked("GET", "/manifests/"), world.asked("GET", "/blobs/")
    assert len(manifests) <= len(wanted) + 8
    assert len(blobs) <= len(wanted) + 8


@pytest.mark.parametrize("last", [1, 2, 3, 5, 17, 40])
def test_no_more_than_one_window_is_read_in_vain_when_a_script_breaks_off(last: int) -> None:
    world = World(numbered(100))
    with world.run(readahead=16) as run:
        view = run.view()
        for tag in view.tags()[:last]:
            config(view, tag)
    assert last <= len(world.asked("GET", "/manifests/")) <= last + 16


def test_a_walk_without_any_order_is_left_alone() -> None:
    world = World(numbered(100))
    with world.run(readahead=16) as run:
        view = run.view()
        tags = view.tags()
        for place in range(100):
            config(view, tags[place * 37 % 100])
    assert len(world.asked("GET", "/manifests/")) <= 100 + 16


def test_each_tag_costs_what_it_costs_without() -> None:
    world = World(numbered(60))
    with world.run() as run:
        view = run.view()
        for tag in view.tags():
            config(view, tag)
    assert sorted(world.asked("GET", "/manifests/")) == numbered(60)
    assert len(world.asked("GET", "/blobs/")) == 60


def test_what_is_not_asked_is_not_read() -> None:
    world = World(numbered(30))
    with world.run() as run:
        view = run.view()
        for tag in view.tags():
            view.head(tag)
    assert sorted(world.asked("HEAD")) == numbered(30)
    assert world.asked("GET", "/manifests/") == []


def test_without_a_list_nothing_is_read_ahead() -> None:
    world = World(numbered(30))
    with world.run() as run:
        for tag in numbered(10):
            config(run.view(), tag)
    assert world.asked("GET", "/manifests/") == numbered(10)


def test_0_switches_it_off() -> None:
    world = World(numbered(30))
    with world.run(readahead=0) as run:
        view = run.view()
        for tag in view.tags()[:10]:
            config(view, tag)
    assert world.asked("GET", "/manifests/") == numbered(10)


def test_the_image_of_a_platform_is_read_ahead_with_its_config() -> None:
    world = World([])
    for number, tag in enumerate(numbered(12)):
        children = {
            name: make_image(labels={"n": f"{number} {name}"}, platform=name)
            for name in ("linux/amd64", "linux/s390x")
        }
        world.registry.put(REPOSITORY, tag, make_index(children))
    wanted = Platform.parse("linux/s390x")
    with world.run() as run:
        view = run.view()
        for number, tag in enumerate(view.tags()):
            world.registry.forget()
            image = image_of(view, view.manifest(tag), wanted)
            found = view.config(image, limit=LIMIT).data
            assert found["config"]["Labels"] == {"n": f"{number} linux/s390x"}
            if number == 11:
                assert world.registry.requests == []


class TestAnswers:
    """What was fetched ahead is used once, fresh, and unless something was written."""

    @contextmanager
    def walking(self, world: World, **more: object):
        """A walk that has come to ``v005``; ``v006`` and more are there already."""
        with world.run(**more) as run:
            view = run.view()
            for tag in view.tags()[:6]:
                config(view, tag)
            assert "v006" in world.asked("GET", "/manifests/")
            yield run, view

    def test_an_answer_is_used_once(self) -> None:
        world = World(numbered(30))
        with self.walking(world) as (_, view):
            assert config(view, "v006") == {"n": "6"}
            world.memory.move("v006", str(world.images["v001"].digest))
            assert config(view, "v006") == {"n": "1"}

    def test_an_old_answer_is_not_used(self) -> None:
        world = World(numbered(30))
        with self.walking(world) as (_, view):
            world.memory.move("v006", str(world.images["v001"].digest))
            world.clock.now += 30
            assert config(view, "v006") == {"n": "1"}

    @pytest.mark.parametrize("change", ["delete tag", "delete manifest", "put"])
    def test_no_answer_from_before_a_write_is_used(self, change: str) -> None:
        world = World(numbered(30))
        images = world.images
        with self.walking(world) as (run, view):
            store = run.store()
            if change == "put":
                store.put_manifest(Tag("v006"), images["v001"].manifest)
                assert config(view, "v006") == {"n": "1"}
                return
            if change == "delete tag":
                store.delete_tag(Tag("v006"), images["v006"].digest)
            else:
                store.delete_manifest(images["v006"].digest)
            with pytest.raises(NotFound):
                config(view, "v006")

    def test_a_tag_that_goes_takes_no_answer_about_others_with_it(self) -> None:
        world = World(numbered(60))
        early = 0
        with world.run() as run:
            view, store = run.view(), run.store()
            for number, tag in enumerate(view.tags()):
                world.registry.forget()
                assert config(view, tag) == {"n": str(number)}
                early += tag not in world.asked("GET", "/manifests/")
                store.delete_tag(tag, world.images[tag].digest)
                with pytest.raises(NotFound):
                    view.head(tag)
            assert view.tags() == []
        assert early >= 60 - 6

    @pytest.mark.parametrize("preset", [GITEA, DISTRIBUTION_2])
    def test_a_tag_that_goes_may_take_a_child_of_an_index_with_it(self, preset: Quirks) -> None:
        world = World([], preset)
        children = [image_number(number) for number in range(10)]
        for number, child in enumerate(children):
            index = make_index({"linux/amd64": child})
            world.registry.put(REPOSITORY, f"child{number}", child)
            world.registry.put(REPOSITORY, f"v{number}", index)
        with world.run() as run:
            view = run.view()
            tags = [tag for tag in view.tags() if tag.startswith("v")]
            for tag in tags[:5]:
                config(view, tag)
            run.store().delete_tag(Tag("child5"), children[5].digest)
            is_there = str(children[5].digest) in world.registry.manifests(REPOSITORY)
            assert is_there == (preset is DISTRIBUTION_2)
            if is_there:
                assert config(view, tags[5]) == {"n": "5"}
            else:
                with pytest.raises(NotFound):
                    config(view, tags[5])

    def test_a_tag_that_goes_may_be_a_list_of_referrers(self) -> None:
        world = World(numbered(20))
        images = list(world.images.values())
        with world.run() as run:
            view = run.view()
            for image in images:
                push(run.store(), make_referrer(image.manifest))
            tags = [tag for tag in view.tags() if tag.startswith("v")]
            for tag in tags[:8]:
                assert len(view.referrers(view.manifest(tag).digest)) == 1
            gone = fallback_tag(images[8].digest)
            run.store().delete_tag(gone, view.head(gone).digest)
            assert view.referrers(view.manifest(tags[8]).digest) == []

    def test_a_write_to_another_repository_matters_there_alone(self) -> None:
        world = World(numbered(30))
        with self.walking(world) as (run, view):
            store = run.store("team/other")
            for content in world.images["v000"].blobs.values():
                world.registry.put_blob("team/other", content)
            store.put_manifest(Tag("v000"), world.images["v000"].manifest)
            world.registry.forget()
            config(view, "v006")
            assert "v006" not in world.asked("GET", "/manifests/")

    def test_an_error_is_raised_for_its_own_tag_alone(self) -> None:
        world = World(numbered(30))
        world.registry.break_next("status", "GET", "/manifests/v010$", status=403, times=1000)
        with world.run() as run:
            view = run.view()
            for number, tag in enumerate(view.tags()):
                if number != 10:
                    assert config(view, tag) == {"n": str(number)}
                    continue
                with pytest.raises(Forbidden, match="v010"):
                    config(view, tag)

    def test_errors_cost_no_more_than_one_window_in_vain(self) -> None:
        world = World(numbered(60))
        world.registry.break_next("status", "GET", "/manifests/v0[1-5]", status=403, times=1000)
        with world.run() as run:
            view = run.view()
            for number, tag in enumerate(view.tags()):
                if number < 10:
                    config(view, tag)
                    continue
                with pytest.raises(Forbidden, match=tag):
                    config(view, tag)
        made_up_for = 2  # by the answers that were used
        assert len(world.asked("GET", "/manifests/")) <= 60 + 8 + made_up_for

    def test_an_error_that_is_over_is_not_raised(self) -> None:
        world = World(numbered(30))
        world.registry.break_next("status", "GET", "/manifests/v010$", status=403, times=1)
        with world.run() as run:
            view = run.view()
            assert [config(view, tag)["n"] for tag in view.tags()] == [str(n) for n in range(30)]


def test_the_habit_goes_on_in_the_next_repository() -> None:
    world = World(numbered(20))
    for number in range(20):
        world.registry.put("team/other", f"w{number:02}", image_number(100 + number))
    with world.run() as run:
        for repository in (REPOSITORY, "team/other"):
            view = run.view(repository)
            tags = view.tags()
            if repository == "team/other":
                assert "w00" in world.asked("GET", "/other/manifests/")
            for tag in tags:
                config(view, tag)
    assert len(world.asked("GET", "/manifests/")) == 40


def test_a_repository_that_is_listed_and_not_walked_breaks_the_habit() -> None:
    world = World(numbered(20))
    for name in ("a", "b", "c"):
        for number in range(8):
            world.registry.put(f"other/{name}", f"w{number:02}", image_number(number))
    with world.run() as run:
        view = run.view()
        for tag in view.tags():
            config(view, tag)
        for name in ("a", "b", "c"):
            run.view(f"other/{name}").tags()
    assert len(world.asked("GET", "/other/")) - 3 <= 2 * 4


def test_pages_are_walked_as_one_list() -> None:
    world = World(numbered(40))
    with world.run() as run:
        view = run.view()
        listed: list[Tag] = []
        while page := view.tags(limit=10, last=listed[-1] if listed else ""):
            listed += page
        for tag in listed:
            config(view, tag)
            ahead = len(world.asked("GET", "/manifests/"))
    assert ahead == 40


@pytest.mark.parametrize("step", ["head", "manifest"])
def test_where_pulls_are_counted_none_is_made_in_vain(step: str) -> None:
    quirks = Quirks(rate_limit=1000)
    with TestRegistry(quirks) as registry, Client(registry.host) as client:
        for number, tag in enumerate(numbered(30)):
            registry.put(REPOSITORY, tag, image_number(number))
        run = run_on(registry.host, client.bound, stop=client.stop, readahead=8, background=AtOnce)
        with run as opened:
            view = opened.view()
            for tag in view.tags()[:20]:
                config(view, tag) if step == "manifest" else view.head(tag)
        pulls = registry.asked("GET", "/manifests/")
        heads = registry.asked("HEAD", "/manifests/")
    assert len(pulls) == (20 if step == "manifest" else 0)
    assert len(heads) == (0 if step == "manifest" else 20 + 8)


def test_where_pulls_are_counted_what_the_cache_knows_is_read_ahead(tmp_path: Path) -> None:
    with TestRegistry(Quirks(rate_limit=1000)) as registry, Client(registry.host) as client:
        for number, tag in enumerate(numbered(30)):
            registry.put(REPOSITORY, tag, image_number(number))
        early = []
        for _ in ("first run", "second run"):
            registry.forget()
            run = run_on(
                registry.host,
                client.bound,
                stop=client.stop,
                readahead=8,
                cache=tmp_path,
                background=AtOnce,
            )
            with run as opened:
                view = opened.view()
                for tag in view.tags():
                    before = len(registry.asked(part=f"/manifests/{tag}"))
                    config(view, tag)
                    early.append(before == 1)
            pulls = len(registry.asked("GET", "/manifests/"))
            heads = len(registry.asked("HEAD", "/manifests/"))
            assert (pulls, heads) == ((30, 0) if not any(early) else (0, 30))
    assert early == [False] * 32 + [True] * 28


def test_it_says_what_it_spares(tmp_path: Path) -> None:
    world = World(numbered(30))
    said: list[Event] = []
    for _ in ("first run", "second run"):
        said.clear()
        with world.run(cache=tmp_path, emit=said.append) as run:
            view = run.view()
            for tag in view.tags():
                config(view, tag)
    by = Counter(event.by for event in said if isinstance(event, Spared))
    assert by == {"cache": 30, "read-ahead": 2 * 28}


def scan(run: Run) -> list[dict[str, str]]:
    view = run.view()
    return [config(view, tag) for tag in view.tags()]


def test_threads_fetch_the_same() -> None:
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host, concurrency=4) as client:
        for number, tag in enumerate(numbered(60)):
            registry.put(REPOSITORY, tag, image_number(number))
        with run_on(registry.host, client.bound, stop=client.stop, readahead=16) as opened:
            assert scan(opened) == [{"n": str(number)} for number in range(60)]
        assert len(registry.asked("GET", "/manifests/")) == 60


def test_many_threads_may_walk_together(tmp_path: Path) -> None:
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        for number, tag in enumerate(numbered(200)):
            registry.put(REPOSITORY, tag, image_number(number))
        with (
            run_on(registry.host, client.bound, readahead=16, cache=tmp_path) as opened,
            ThreadPoolExecutor(16) as threads,
        ):
            view = opened.view()
            found = list(threads.map(partial(config, view), view.tags()))
        assert found == [{"n": str(number)} for number in range(200)]
        assert len(registry.asked("GET", "/manifests/")) <= 200 + 16 + 200 // 16


def test_a_stop_ends_it() -> None:
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        for number, tag in enumerate(numbered(60)):
            registry.put(REPOSITORY, tag, image_number(number))
        with run_on(registry.host, client.bound, stop=client.stop, readahead=16) as opened:
            view = opened.view()
            tags = view.tags()
            for tag in tags[:10]:
                config(view, tag)
            client.stop.ask()
            before = len(registry.requests)
            with pytest.raises(type(client.stop.reason())):
                config(view, tags[30])
        assert len(registry.requests) <= before + 16


def test_a_walk_goes_on_after_the_same_list() -> None:
    world = World(numbered(40))
    with world.run() as run:
        view = run.view()
        for tag in view.tags():
            assert len(view.tags()) == 40
            config(view, tag)
    assert len(world.asked("GET", "/manifests/")) == 40


def test_a_second_walk_is_read_ahead_too() -> None:
    world = World(numbered(40))
    with world.run() as run:
        view = run.view()
        tags = view.tags()
        for _ in range(2):
            for tag in tags:
                config(view, tag)
            world.registry.forget()
            view.head(tags[0])
            for tag in tags[1:4]:
                view.head(tag)
            assert len(world.asked("HEAD")) > 4


def test_only_the_last_lists_are_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regbot.store.readahead._MOST_LISTED", 4_000)
    world = World(numbered(12))
    for name in ("a", "b"):
        for number in range(12):
            world.registry.put(name, f"w{number:02}", image_number(number))
    with world.run() as run:
        first = run.view().tags()
        for name in ("a", "b"):
            run.view(name).tags()
        world.registry.forget()
        for tag in first[:6]:
            config(run.view(), tag)
        assert len(world.asked("GET", "/manifests/")) == 6


class TestRepositories:
    """A script that lists repositories goes from one to the next."""

    @pytest.fixture
    def world(self) -> World:
        world = World([])
        for name in "abcdefgh":
            world.registry.put(f"team/{name}", "v1", image_number(0))
        return world

    def test_the_next_lists_are_there_before_they_are_asked_for(self, world: World) -> None:
        with world.run() as run:
            for number, name in enumerate(run.views.repositories(world.memory.name)):
                world.registry.forget()
                assert run.view(name).tags() == ["v1"]
                if number > 1:
                    assert f"/v2/{name}/tags/list" not in [
                        entry.path for entry in world.registry.requests
                    ]

    def test_each_is_asked_for_once(self, world: World) -> None:
        with world.run() as run:
            for name in run.views.repositories(world.memory.name):
                run.view(name).tags()
        assert len(world.registry.asked("GET", "/tags/list")) == 8

    def test_no_more_than_one_window_is_read_in_vain(self, world: World) -> None:
        with world.run() as run:
            for name in run.views.repositories(world.memory.name)[:3]:
                run.view(name).tags()
        assert len(world.registry.asked("GET", "/tags/list")) <= 3 + 4

    def test_a_list_from_before_a_write_is_not_used(self, world: World) -> None:
        with world.run() as run:
            names = run.views.repositories(world.memory.name)
            for name in names[:3]:
                run.view(name).tags()
            image = image_number(0)
            run.store(names[3]).put_manifest(Tag("v2"), image.manifest)
            assert run.view(names[3]).tags() == ["v1", "v2"]
