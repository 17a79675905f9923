"""What every Store promises: tags, manifests and blobs, put and read back."""

from __future__ import annotations

import hashlib
import json

import pytest
from support.images import Image, make_image, make_index, make_layer, push

from regbot.errors import (
    ContentError,
    DigestMismatch,
    NotFound,
    RegbotError,
    SizeMismatch,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore, Store, read_blob

NOWHERE = Digest.of(b"nobody put this")


def read(store: ReadStore, digest: Digest, size: int | None = None) -> bytes:
    return b"".join(store.blob(digest, size))


def put(
    store: Store, content: bytes, digest: Digest | None = None, size: int | None = None
) -> None:
    store.put_blob(
        lambda: [content[:3], content[3:]],
        digest=digest or Digest.of(content),
        size=len(content) if size is None else size,
    )


class TestTags:
    def test_a_repository_that_does_not_exist_is_not_an_empty_one(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.tags()

    def test_all_in_order(self, store: Store) -> None:
        image = make_image()
        for tag in ("v2", "v10", "latest", "V3", "_x"):
            push(store, image, tag)
        assert store.tags() == sorted(("v2", "v10", "latest", "V3", "_x"))

    def test_pages_join_to_the_whole(self, store: Store) -> None:
        image = make_image()
        push(store, image, "t00")
        for number in range(1, 25):
            store.put_manifest(Tag(f"t{number:02}"), image.manifest)
        joined: list[str] = []
        while page := store.tags(limit=7, last=joined[-1] if joined else ""):
            assert len(page) <= 7
            joined += page
        assert joined == [f"t{number:02}" for number in range(25)]
        assert store.tags(limit=0) == []

    def test_last_need_not_be_a_tag_itself(self, store: Store) -> None:
        push(store, make_image(), "b")
        store.put_manifest(Tag("d"), make_image().manifest)
        assert store.tags(last="c") == ["d"]

    def test_a_manifest_put_by_digest_has_no_tag(self, store: Store) -> None:
        push(store, make_image(), "only")
        push(store, make_image(created=None))
        assert store.tags() == ["only"]


class TestManifest:
    @pytest.mark.parametrize(
        ("image", "media_type"),
        [
            (make_image(), OCI_MANIFEST),
            (make_image(docker=True), DOCKER_MANIFEST),
            (make_index({"linux/amd64": make_image()}), OCI_INDEX),
            (
                make_index({"linux/arm/v7": make_image(docker=True)}, docker=True),
                DOCKER_INDEX,
            ),
        ],
        ids=["oci", "docker", "oci index", "docker list"],
    )
    def test_comes_back_as_it_was(self, store: Store, image: Image, media_type: str) -> None:
        push(store, image, "v1")
        for name in (Tag("v1"), image.digest):
            found = store.manifest(name)
            assert (found.raw, found.media_type) == (image.manifest.raw, media_type)
            assert found.digest == image.digest
            head = store.head(name)
            assert (head.media_type, head.digest) == (media_type, image.digest)
            assert head.size == len(image.manifest.raw)

    def test_odd_spacing_and_unknown_fields_are_kept(self, store: Store) -> None:
        image = make_image()
        push(store, image, "plain")
        data = {**image.manifest.data, "x-unknown": {"b": 1, "a": [None, "é"]}}
        odd = Manifest.parse(json.dumps(data, indent=3, sort_keys=True).encode() + b"\n")
        store.put_manifest(Tag("odd"), odd)
        assert store.manifest(Tag("odd")).raw == odd.raw

    def test_children_of_an_index_are_found_by_digest(self, store: Store) -> None:
        child = make_image(platform="linux/s390x")
        push(store, make_index({"linux/s390x": child}), "multi")
        assert store.manifest(child.digest).raw == child.manifest.raw
        assert store.tags() == ["multi"]

    @pytest.mark.parametrize("name", [Tag("absent"), NOWHERE], ids=str)
    @pytest.mark.parametrize("filled", [False, True], ids=["no repository", "repository"])
    def test_what_is_not_there(self, store: Store, name: Name, filled: bool) -> None:
        if filled:
            push(store, make_image(), "v1")
        with pytest.raises(NotFound):
            store.manifest(name)
        with pytest.raises(NotFound):
            store.head(name)

    def test_a_tag_moves(self, store: Store) -> None:
        first, second = make_image(created=None), make_image()
        push(store, first, "v1")
        push(store, first, "other")
        push(store, second, "v1")
        assert store.head(Tag("v1")).digest == second.digest
        assert store.head(Tag("other")).digest == first.digest
        assert store.tags() == ["other", "v1"]

    def test_putting_again_changes_nothing(self, store: Store) -> None:
        push(store, make_image(), "v1")
        push(store, make_image(), "v1")
        assert store.tags() == ["v1"]

    def test_under_the_digest_of_something_else(self, store: Store) -> None:
        push(store, make_image(), "v1")
        with pytest.raises(RegbotError):
            store.put_manifest(NOWHERE, make_image().manifest)
        with pytest.raises(NotFound):
            store.head(NOWHERE)

    def test_other_bytes_than_the_digest_says_are_refused(self, place) -> None:
        image = make_image()
        push(place.store, image, "v1")
        place.damage(image.digest, image.manifest.raw.replace(b"2", b"3", 1))
        with pytest.raises(ContentError):
            place.store.manifest(image.digest)

    @pytest.mark.parametrize(
        "raw", [b"", b"<html>Sign in</html>", b"[]", b'{"errors":[]}', b'{"a":', b"\xff\xfe\x00"]
    )
    def test_rubbish_is_refused(self, place, raw: bytes) -> None:
        image = make_image()
        push(place.store, image, "v1")
        place.damage(image.digest, raw)
        with pytest.raises(ContentError):
            place.store.manifest(Tag("v1"))


class TestBlob:
    def test_comes_back(self, store: Store) -> None:
        content = make_layer("x") * 50
        put(store, content)
        digest = Digest.of(content)
        assert store.blob_size(digest) == len(content)
        assert read(store, digest) == content
        assert read(store, digest, len(content)) == content

    def test_an_empty_one(self, store: Store) -> None:
        put(store, b"")
        assert read(store, Digest.of(b""), 0) == b""

    def test_put_twice(self, store: Store) -> None:
        put(store, b"twice")
        put(store, b"twice")
        assert read(store, Digest.of(b"twice")) == b"twice"

    def test_what_is_not_there(self, store: Store) -> None:
        put(store, b"something else")
        with pytest.raises(NotFound):
            store.blob_size(NOWHERE)
        with pytest.raises(NotFound):
            read(store, NOWHERE)

    @pytest.mark.parametrize(
        ("content", "size"), [(b"wrong bytes", 11), (b"right", 4), (b"right", 6)]
    )
    def test_content_that_does_not_fit_leaves_nothing(
        self, store: Store, content: bytes, size: int
    ) -> None:
        digest = Digest.of(b"right")
        with pytest.raises(RegbotError):
            put(store, content, digest, size)
        with pytest.raises(NotFound):
            store.blob_size(digest)

    def test_a_source_that_breaks_off_leaves_nothing(self, store: Store) -> None:
        def broken():
            yield b"first part"
            raise ContentError("the source broke off")

        digest = Digest.of(b"first part and the rest")
        with pytest.raises(ContentError, match="the source broke off"):
            store.put_blob(broken, digest=digest, size=23)
        with pytest.raises(NotFound):
            store.blob_size(digest)

    @pytest.mark.parametrize("bad", [b"damaged", b"dam", b"more than before"])
    def test_damaged_content_is_not_handed_out_as_whole(self, place, bad: bytes) -> None:
        put(place.store, b"correct")
        place.damage(Digest.of(b"correct"), bad)
        with pytest.raises((DigestMismatch, SizeMismatch)):
            read(place.store, Digest.of(b"correct"), 7)
        with pytest.raises((DigestMismatch, SizeMismatch)):
            read(place.store, Digest.of(b"correct"))

    def test_a_small_one_as_a_whole_has_a_limit(self, store: Store) -> None:
        put(store, b"0123456789")
        assert read_blob(store, Digest.of(b"0123456789"), limit=10) == b"0123456789"
        with pytest.raises(SizeMismatch):
            read_blob(store, Digest.of(b"0123456789"), limit=9)

    def test_sha512(self, store: Store) -> None:
        digest = Digest("sha512", hashlib.sha512(b"long").hexdigest())
        put(store, b"long", digest)
        assert read(store, digest) == b"long"

    def test_mounting_from_another_repository(self, place) -> None:
        put(place.other, b"shared")
        mounted = place.store.mount_blob(Digest.of(b"shared"), place.other.repository)
        if mounted:
            assert read(place.store, Digest.of(b"shared")) == b"shared"
        assert read(place.other, Digest.of(b"shared")) == b"shared"

    def test_mounting_what_the_source_has_not(self, place) -> None:
        put(place.other, b"something else")
        assert place.store.mount_blob(NOWHERE, place.other.repository) is False
        with pytest.raises(NotFound):
            place.store.blob_size(NOWHERE)
