"""What is planned is seen, what is not there stays not there, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from support.clients import Client
from support.images import Image, make_index, make_referrer, push
from support.planning import NEW, OLD, World, open_world
from support.registry import DISTRIBUTION_3, DOCKER_HUB, TestRegistry
from support.tagged import delete_tag

from regbot.errors import (
    DigestMismatch,
    Forbidden,
    NotFound,
    NotSupported,
    ServerFault,
    SizeMismatch,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import DOCKER_SCHEMA1, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.overlay import CHECKED_AT_ONCE, Overlay


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


class TestTags:
    def test_a_deleted_tag_leaves_its_manifest(self, world: World) -> None:
        store = world.open()
        delete_tag(store, Tag("b"))
        assert store.tags() == ["a", "c", "d"]
        assert store.manifest(OLD.digest).raw == OLD.manifest.raw
        for call in (store.head, store.manifest, partial(store.delete_tag, digest=OLD.digest)):
            with pytest.raises(NotFound, match="team/app:b is planned to be deleted"):
                call(Tag("b"))
        assert world.registry.tags("team/app").keys() == {"a", "b", "c", "d"}

    def test_a_deleted_digest_takes_the_tags_the_registry_has_on_it(self, world: World) -> None:
        store = world.open()
        store.delete_manifest(OLD.digest)
        assert store.tags() == ["d"]
        for name in (Tag("a"), OLD.digest):
            with pytest.raises(NotFound):
                store.head(name)
            with pytest.raises(NotFound):
                store.manifest(name)
        with pytest.raises(NotFound):
            delete_tag(store, Tag("c"))
        with pytest.raises(NotFound):
            store.delete_manifest(OLD.digest)

    def test_a_manifest_put_again_has_not_its_old_tags(self, world: World) -> None:
        store = world.open()
        store.delete_manifest(OLD.digest)
        push(store, OLD, "again")
        assert store.tags() == ["again", "d"]
        assert store.head(OLD.digest).digest == OLD.digest
        with pytest.raises(NotFound):
            store.head(Tag("a"))

    def test_a_moved_tag_outlives_what_it_was_on(self, world: World) -> None:
        store = world.open()
        push(store, NEW, "a")
        store.delete_manifest(OLD.digest)
        assert store.tags() == ["a", "d"]
        assert store.head(Tag("a")).digest == NEW.digest

    def test_each_tag_is_asked_for_its_digest_at_most_once(self, world: World) -> None:
        store = world.open()
        store.manifest(Tag("a"))
        store.delete_manifest(OLD.digest)
        world.registry.forget()
        for _ in range(3):
            assert store.tags() == ["d"]
        assert world.asked("/manifests/") == ["HEAD", "HEAD", "HEAD"]
        assert not world.asked("/manifests/a")

    def test_without_a_deleted_digest_no_tag_is_asked_for(self, world: World) -> None:
        store = world.open()
        delete_tag(store, Tag("a"))
        push(store, NEW, "e")
        world.registry.forget()
        assert store.tags() == ["b", "c", "d", "e"]
        assert not world.asked("/manifests/")

    def test_a_tag_whose_digest_can_not_be_read_is_an_error(self, world: World) -> None:
        store = world.open()
        store.delete_manifest(OLD.digest)
        world.registry.break_next(path="/manifests/c", status=403, code="DENIED")
        with pytest.raises(Forbidden):
            store.tags()
        assert store.tags() == ["d"]

    def test_a_listing_that_fails_is_an_error(self, world: World) -> None:
        store = world.open()
        push(store, NEW, "e")
        world.registry.break_next(path="/tags/list", status=500, times=100)
        with pytest.raises(ServerFault):
            store.tags()

    def test_a_deleted_tag_can_be_put_again(self, world: World) -> None:
        store = world.open()
        delete_tag(store, Tag("a"))
        push(store, NEW, "a")
        assert store.tags() == ["a", "b", "c", "d"]
        assert store.manifest(Tag("a")).digest == NEW.digest

    def test_pages_over_many_changes(self, world: World) -> None:
        for number in range(40):
            world.registry.tag("team/app", f"t{number:02}", str(NEW.digest))
        store = world.open()
        for number in range(3, 33):
            delete_tag(store, Tag(f"t{number:02}"))
        for tag in ("A", "t05x", "t99", "zz"):
            push(store, NEW, tag)
        store.delete_manifest(OLD.digest)
        expected = ["A", "d", "t00", "t01", "t02", "t05x"]
        expected += [f"t{number:02}" for number in range(33, 40)] + ["t99", "zz"]
        assert store.tags() == expected
        for limit in (1, 2, 3, 7, 100):
            joined: list[str] = []
            while page := store.tags(limit=limit, last=joined[-1] if joined else ""):
                assert len(page) <= limit
                joined += page
            assert joined == expected
        assert store.tags(limit=0) == []
        assert store.tags(last="t38") == ["t39", "t99", "zz"]


class TestManifest:
    def test_schema_1_is_refused(self, world: World) -> None:
        raw = b'{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}'
        with pytest.raises(NotSupported, match="schema 1"):
            world.open().put_manifest(Tag("v1"), Manifest.parse(raw, DOCKER_SCHEMA1))
        assert world.open().tags() == ["a", "b", "c", "d"]

    def test_another_digest_is_refused(self, world: World) -> None:
        with pytest.raises(DigestMismatch):
            world.open().put_manifest(OLD.digest, NEW.manifest)

    def test_what_is_planned_is_read_without_asking(self, world: World) -> None:
        store = world.open()
        index = make_index({"linux/amd64": NEW})
        push(store, index, "multi")
        world.registry.forget()
        assert store.manifest(Tag("multi")).raw == index.manifest.raw
        assert store.head(Tag("multi")).descriptor == index.manifest.descriptor
        assert store.manifest(NEW.digest).digest == NEW.digest
        assert world.registry.requests == []

    def test_another_rate_limit_is_not_taken_over(self) -> None:
        with (
            TestRegistry(DOCKER_HUB, auth="") as hub,
            TestRegistry(DISTRIBUTION_3) as registry,
            Client(hub.host) as far,
            Client(registry.host) as near,
        ):
            hub.put("team/app", "v1", NEW)
            manifest = far.store().manifest(Tag("v1"))
            assert manifest.rate_limit.known
            store = Overlay(near.store())
            store.put_manifest(Tag("v1"), manifest)
            assert not store.manifest(Tag("v1")).rate_limit.known
            assert not store.head(Tag("v1")).rate_limit.known


class TestBlob:
    def test_a_small_one_is_checked(self, world: World) -> None:
        store, right = world.open(), Digest.of(b"right")
        with pytest.raises(DigestMismatch):
            store.put_blob(lambda: [b"wrong"], digest=right, size=5)
        with pytest.raises(SizeMismatch):
            store.put_blob(lambda: [b"right"], digest=right, size=4)
        with pytest.raises(NotFound):
            store.blob_size(right)

    def test_a_big_one_is_read_when_somebody_reads_it(self, world: World) -> None:
        opened: list[str] = []
        size = CHECKED_AT_ONCE + 1
        content = bytes(size)

        def source() -> Iterator[bytes]:
            opened.append("once more")
            yield content

        store, digest = world.open(), Digest.of(content)
        store.put_blob(source, digest=digest, size=size)
        assert store.blob_size(digest) == size
        assert opened == []
        for _ in range(2):
            assert b"".join(store.blob(digest, size)) == content
        assert len(opened) == 2
        store.put_blob(lambda: [b"not even looked at"], digest=digest, size=size)
        assert b"".join(store.blob(digest)) == content

    def test_a_big_one_that_is_wrong_is_not_handed_out_as_whole(self, world: World) -> None:
        size = CHECKED_AT_ONCE + 1
        store, digest = world.open(), Digest.of(b"something else")
        store.put_blob(lambda: [bytes(size)], digest=digest, size=size)
        with pytest.raises(DigestMismatch):
            b"".join(store.blob(digest))

    def test_one_that_is_there_is_not_read(self, world: World) -> None:
        def source() -> list[bytes]:
            raise AssertionError("read for nothing")

        digest, content = next(iter(NEW.blobs.items()))
        world.open().put_blob(source, digest=digest, size=len(content))

    def test_a_mount_is_read_from_its_source(self, world: World) -> None:
        digest = Digest.parse(world.registry.put_blob("team/base", b"layer"))
        store = world.open("team/new")
        assert store.mount_blob(digest, world.reference("team/base")) is True
        assert store.blob_size(digest) == 5
        assert b"".join(store.blob(digest)) == b"layer"

    def test_a_mount_of_what_is_planned_in_the_source(self, world: World) -> None:
        digest = Digest.of(b"planned")
        world.open("team/base").put_blob(lambda: [b"planned"], digest=digest, size=7)
        store = world.open("team/new")
        assert store.mount_blob(digest, world.reference("team/base")) is True
        assert b"".join(store.blob(digest)) == b"planned"

    def test_no_mount_of_what_the_source_has_not_or_from_elsewhere(self, world: World) -> None:
        digest, store = Digest.of(b"nowhere"), world.open()
        assert store.mount_blob(digest, world.reference("team/base")) is False
        assert store.mount_blob(digest, Reference.parse("other.invalid/team/base")) is False
        assert store.mount_blob(digest, Reference.parse("ocidir:///nowhere")) is False

    def test_a_source_that_refuses_is_no_mount(self, world: World) -> None:
        digest = Digest.parse(world.registry.put_blob("team/base", b"layer"))
        world.registry.break_next(path="/team/base/", status=403, code="DENIED")
        assert world.open().mount_blob(digest, world.reference("team/base")) is False


class TestReferrers:
    def test_planned_and_deleted_ones(self, world: World) -> None:
        there = signature(b"there")
        with Client(world.registry.host) as client:
            push(client.store(), there)
        world.registry.forget()
        store, planned = world.open(), signature(b"planned", "application/vnd.example.sbom")
        push(store, planned)
        assert digests(store, "") == [there.digest, planned.digest]
        assert digests(store, "application/vnd.example.sbom") == [planned.digest]
        store.delete_manifest(there.digest)
        assert digests(store, "") == [planned.digest]
        push(store, there)
        assert digests(store, "") == [planned.digest, there.digest]
        store.delete_manifest(planned.digest)
        assert digests(store, "") == [there.digest]


def signature(content: bytes, kind: str = "application/vnd.example.signature") -> Image:
    return make_referrer(NEW.manifest, content=content, artifact_type=kind)


def digests(store: Overlay, kind: str) -> list[Digest]:
    return [one.digest for one in store.referrers(NEW.digest, kind)]
