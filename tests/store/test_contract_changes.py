"""What every Store promises: deletes take what was asked, referrers are kept up."""

from __future__ import annotations

import pytest
from support.images import make_image, make_index, make_referrer, push
from support.tagged import delete_tag

from regbot.errors import NotFound
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.protocol import Store, read_blob

NOWHERE = Digest.of(b"nobody put this")


class TestDelete:
    def test_a_tag_goes_and_nothing_else(self, store: Store) -> None:
        image, other = make_image(), make_image(created=None)
        push(store, image, "v1")
        push(store, image, "same-digest")
        push(store, other, "v2")
        delete_tag(store, Tag("v1"))
        assert store.tags() == ["same-digest", "v2"]
        assert store.manifest(Tag("same-digest")).raw == image.manifest.raw
        assert store.manifest(Tag("v2")).raw == other.manifest.raw

    def test_a_tag_of_an_index_leaves_a_kept_index_whole(self, store: Store) -> None:
        child = make_image()
        push(store, make_index({"linux/amd64": child}), "old")
        push(store, make_index({"linux/amd64": child}, annotations={"n": "2"}), "kept")
        delete_tag(store, Tag("old"))
        for entry in store.manifest(Tag("kept")).manifests:
            assert store.manifest(entry.digest).raw == child.manifest.raw

    def test_a_digest_goes_with_every_tag_on_it(self, store: Store) -> None:
        image, other = make_image(), make_image(created=None)
        push(store, image, "a")
        push(store, image, "b")
        push(store, other, "c")
        store.delete_manifest(image.digest)
        assert store.tags() == ["c"]
        with pytest.raises(NotFound):
            store.head(image.digest)
        assert store.manifest(Tag("c")).raw == other.manifest.raw

    def test_a_manifest_without_tag(self, store: Store) -> None:
        push(store, make_image(), "v1")
        lonely = make_image(created=None)
        push(store, lonely)
        store.delete_manifest(lonely.digest)
        with pytest.raises(NotFound):
            store.manifest(lonely.digest)
        assert store.tags() == ["v1"]

    @pytest.mark.parametrize("filled", [False, True], ids=["no repository", "repository"])
    def test_what_is_not_there(self, store: Store, filled: bool) -> None:
        if filled:
            push(store, make_image(), "v1")
        with pytest.raises(NotFound):
            delete_tag(store, Tag("absent"))
        with pytest.raises(NotFound):
            store.delete_manifest(NOWHERE)

    def test_a_deleted_image_can_be_put_again(self, store: Store) -> None:
        image = make_image()
        push(store, image, "v1")
        store.delete_manifest(image.digest)
        push(store, image, "v1")
        assert store.manifest(Tag("v1")).raw == image.manifest.raw
        for digest, content in image.blobs.items():
            assert read_blob(store, digest, limit=len(content)) == content


class TestReferrers:
    def test_none(self, store: Store) -> None:
        image = make_image()
        push(store, image, "v1")
        assert store.referrers(image.digest) == []

    def test_are_listed_with_type_and_annotations(self, store: Store) -> None:
        image = make_image()
        push(store, image, "v1")
        signature = make_referrer(image.manifest, annotations={"by": "me"})
        report = make_referrer(image.manifest, artifact_type="application/vnd.example.sbom")
        push(store, signature)
        push(store, report)
        push(store, report)
        found = {one.digest: one for one in store.referrers(image.digest)}
        assert set(found) == {signature.digest, report.digest}
        assert found[signature.digest].artifact_type == "application/vnd.example.signature"
        assert found[signature.digest].annotations == {"by": "me"}
        only = store.referrers(image.digest, "application/vnd.example.sbom")
        assert [one.digest for one in only] == [report.digest]
        assert store.manifest(report.digest).raw == report.manifest.raw

    def test_of_something_else_are_not_listed(self, store: Store) -> None:
        image, other = make_image(), make_image(created=None)
        push(store, image, "v1")
        push(store, other, "v2")
        push(store, make_referrer(other.manifest))
        assert store.referrers(image.digest) == []

    def test_a_deleted_one_is_off_the_list(self, store: Store) -> None:
        image = make_image()
        push(store, image, "v1")
        first = make_referrer(image.manifest)
        second = make_referrer(image.manifest, content=b"again")
        push(store, first)
        push(store, second)
        store.delete_manifest(first.digest)
        assert [one.digest for one in store.referrers(image.digest)] == [second.digest]
        store.delete_manifest(second.digest)
        assert store.referrers(image.digest) == []
        assert store.manifest(Tag("v1")).raw == image.manifest.raw

    def test_can_come_before_their_subject(self, store: Store) -> None:
        image = make_image()
        signature = make_referrer(image.manifest)
        push(store, signature)
        assert [one.digest for one in store.referrers(image.digest)] == [signature.digest]
