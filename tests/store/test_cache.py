"""The cache: what a digest holds comes from the disk, that it is there from the registry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.clients import Client
from support.images import make_image, make_index
from support.inprocess import Memory
from support.registry import DISTRIBUTION_3, TestRegistry
from support.viewing import Clock, run_on

from regbot.errors import NotFound
from regbot.image.resolve import image_of
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.cache_folder import default_cache
from regbot.store.protocol import ReadStore, read_blob

LIMIT = 100_000
REPOSITORY = "team/app"


class World:
    """A registry in memory, and a folder for what is read of it."""

    def __init__(self, folder: Path, count: int = 3) -> None:
        self.memory = Memory(DISTRIBUTION_3)
        self.registry = self.memory.registry
        self.folder = folder / "cache"
        self.clock = Clock()
        self.images = [make_image(labels={"n": str(number)}) for number in range(count)]
        for number, image in enumerate(self.images):
            self.registry.put(REPOSITORY, f"v{number}", image)

    def run(self, **more: object):
        """A run of its own, as another process would have it."""
        more.setdefault("cache", self.folder)
        return run_on(self.memory.name, self.memory.bind, clock=self.clock, **more)

    def read_all(self) -> None:
        with self.run() as run:
            for number in range(len(self.images)):
                labels(run.view(), f"v{number}")
        self.registry.forget()

    @property
    def methods(self) -> list[str]:
        return [entry.method for entry in self.registry.requests]

    def entry(self, digest: Digest) -> Path:
        (path,) = self.folder.rglob(digest.hex)
        return path


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def labels(view: ReadStore, tag: str) -> dict[str, str]:
    image = image_of(view, view.manifest(Tag(tag)))
    return view.config(image, limit=LIMIT).data["config"]["Labels"]


class TestRequests:
    def test_a_first_scan_costs_two_gets_a_tag(self, world: World) -> None:
        with world.run() as run:
            assert [labels(run.view(), f"v{n}")["n"] for n in range(3)] == ["0", "1", "2"]
        assert world.methods == ["GET"] * 6

    def test_the_next_run_costs_one_head_a_tag(self, world: World) -> None:
        world.read_all()
        with world.run() as run:
            assert [labels(run.view(), f"v{n}")["n"] for n in range(3)] == ["0", "1", "2"]
        assert world.methods == ["HEAD"] * 3

    def test_a_manifest_keeps_its_bytes_and_media_type(self, world: World) -> None:
        world.registry.put(REPOSITORY, "docker", make_image(docker=True))
        with world.run() as run:
            before = run.view().manifest(Tag("docker"))
        with world.run() as run:
            after = run.view().manifest(Tag("docker"))
        assert (after, after.raw, after.data) == (before, before.raw, before.data)

    def test_a_tag_that_moved_is_read_anew(self, world: World) -> None:
        world.read_all()
        moved = make_image(labels={"n": "moved"})
        world.registry.put(REPOSITORY, "v1", moved)
        with world.run() as run:
            assert [labels(run.view(), f"v{n}")["n"] for n in range(3)] == ["0", "moved", "2"]

    def test_many_new_tags_cost_one_head_in_vain(self, world: World) -> None:
        world.read_all()
        for number in range(20):
            world.registry.put(REPOSITORY, f"w{number}", make_image(labels={"n": f"w{number}"}))
        with world.run() as run:
            for number in range(20):
                labels(run.view(), f"w{number}")
        assert sorted(world.methods) == ["GET"] * 40 + ["HEAD"]

    def test_a_tag_of_a_digest_that_was_read_in_this_run_needs_no_second_config(
        self, world: World
    ) -> None:
        world.registry.tag(REPOSITORY, "again", str(world.images[0].digest))
        with world.run() as run:
            labels(run.view(), "v0")
            labels(run.view(), "again")
        assert world.methods == ["GET", "GET", "GET"]

    @pytest.mark.parametrize(
        ("switches", "settings", "heads"),
        [
            ({}, {"disable_head": True}, 0),
            ({"digest_header": False}, {}, 1),
            ({"head_manifests": False}, {}, 1),
        ],
        ids=["switched off", "without a digest", "unsupported"],
    )
    def test_where_head_tells_nothing_each_tag_costs_a_get(
        self, tmp_path: Path, switches: dict, settings: dict, heads: int
    ) -> None:
        with (
            TestRegistry(DISTRIBUTION_3, **switches) as registry,
            Client(registry.host, **settings) as client,
        ):
            for number in range(5):
                registry.put_image(REPOSITORY, f"v{number}", labels={"n": str(number)})
            for _ in range(2):
                registry.forget()
                with run_on(registry.host, client.bound, cache=tmp_path / "cache") as run:
                    for number in range(5):
                        assert labels(run.view(), f"v{number}") == {"n": str(number)}
            asked = [entry.method for entry in registry.asked(part="/manifests/")]
        assert asked == ["HEAD"] * heads + ["GET"] * 5


class TestWhatIsAskedOfTheRegistry:
    """The cache never says that something is there."""

    def test_a_tag_that_is_gone(self, world: World) -> None:
        world.read_all()
        del world.registry.content.repository(REPOSITORY).tags["v1"]
        with world.run() as run, pytest.raises(NotFound):
            run.view().manifest(Tag("v1"))

    def test_a_digest(self, world: World) -> None:
        world.read_all()
        digest = world.images[0].digest
        with world.run() as run:
            assert run.view().manifest(digest).raw == world.images[0].manifest.raw
            assert world.methods == ["HEAD"]
            world.registry.content.repository(REPOSITORY).manifests.clear()
            for ask in (run.view().manifest, run.view().head):
                with pytest.raises(NotFound):
                    ask(digest)

    def test_a_child_of_an_index(self, world: World) -> None:
        child = make_image(labels={"n": "child"})
        world.registry.put(REPOSITORY, "multi", make_index({"linux/amd64": child}))
        with world.run() as run:
            assert labels(run.view(), "multi") == {"n": "child"}
        del world.registry.content.repository(REPOSITORY).manifests[str(child.digest)]
        with world.run() as run, pytest.raises(NotFound):
            labels(run.view(), "multi")

    def test_a_blob(self, world: World) -> None:
        world.read_all()
        config = Digest.of(world.images[0].config)
        with world.run() as run:
            assert read_blob(run.view(), config, limit=LIMIT) == world.images[0].config
            world.registry.content.repository(REPOSITORY).blobs.clear()
            with pytest.raises(NotFound):
                read_blob(run.view(), config, limit=LIMIT)

    def test_the_config_of_an_image_that_was_seen_long_ago(self, world: World) -> None:
        world.read_all()
        with world.run() as run:
            image = run.view().manifest(Tag("v0"))
            world.registry.forget()
            world.clock.now += 29
            run.view().config(image, limit=LIMIT)
            assert world.methods == []
            world.clock.now += 1
            run.view().config(image, limit=LIMIT)
        assert world.methods == ["GET"]

    def test_referrers(self, world: World) -> None:
        world.read_all()
        with world.run() as run:
            for _ in range(2):
                run.view().referrers(world.images[0].digest)
        assert len(world.methods) >= 2

    def test_another_repository_has_to_have_it_too(self, world: World) -> None:
        world.read_all()
        with world.run() as run:
            with pytest.raises(NotFound):
                run.view("team/other").manifest(world.images[0].digest)
            world.registry.put("team/other", "v0", world.images[0])
            world.registry.forget()
            assert labels(run.view("team/other"), "v0") == {"n": "0"}
        assert world.methods == ["GET", "GET"]


class TestEntries:
    @pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 5000])
    def test_a_broken_one_is_read_again_and_kept_again(self, world: World, content: bytes) -> None:
        world.read_all()
        image = world.images[1]
        for digest in (image.digest, Digest.of(image.config)):
            world.entry(digest).write_bytes(content)
        with world.run() as run:
            assert labels(run.view(), "v1") == {"n": "1"}
        assert world.entry(image.digest).read_bytes() == image.manifest.raw
        assert world.entry(Digest.of(image.config)).read_bytes() == image.config

    def test_what_is_no_file_is_no_entry(self, world: World) -> None:
        world.read_all()
        path = world.entry(world.images[1].digest)
        path.unlink()
        os.mkfifo(path)
        with world.run() as run:
            assert labels(run.view(), "v1") == {"n": "1"}

    def test_layers_are_not_kept(self, world: World) -> None:
        with world.run() as run:
            for digest, content in world.images[0].blobs.items():
                assert read_blob(run.view(), digest, limit=LIMIT) == content
        assert not world.folder.exists()

    def test_nobody_else_may_look(self, world: World) -> None:
        world.read_all()
        folders = [world.folder, *(path for path in world.folder.rglob("*") if path.is_dir())]
        assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}

    def test_where_they_are(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.read_all()
        digest = world.images[0].digest
        below = world.entry(digest).relative_to(world.folder)
        assert str(below) == f"regbot-cache/registry.test/{REPOSITORY}/sha256/{digest.hex}"
        monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
        assert default_cache() == Path("/somewhere/regbot")

    def test_where_it_cannot_be_written_all_goes_on(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with world.run(cache=tmp_path / "file" / "cache") as run:
            assert [labels(run.view(), f"v{n}")["n"] for n in range(3)] == ["0", "1", "2"]

    @pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
    @pytest.mark.parametrize("part", ["", "registry.test", f"registry.test/{REPOSITORY}/sha256"])
    def test_a_folder_that_others_can_write_to_is_not_used(
        self, world: World, part: str, mode: int
    ) -> None:
        world.read_all()
        folder = world.folder / "regbot-cache" / part
        folder.chmod(mode)
        before = sorted(folder.rglob("*"))
        world.registry.put(REPOSITORY, "new", make_image(labels={"n": "new"}))
        with world.run() as run:
            assert labels(run.view(), "v1") == {"n": "1"}
            assert labels(run.view(), "new") == {"n": "new"}
        assert world.methods.count("GET") == 4
        assert sorted(folder.rglob("*")) == before

    def test_a_file_that_others_can_write_to_is_read_anew(self, world: World) -> None:
        world.read_all()
        path = world.entry(world.images[1].digest)
        path.chmod(0o666)
        with world.run() as run:
            assert labels(run.view(), "v1") == {"n": "1"}
        assert "GET" in world.methods
        assert path.stat().st_mode & 0o777 == 0o600
