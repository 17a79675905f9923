"""What arrives of a copy, what is not sent, and what is refused."""

from __future__ import annotations

import json

import pytest
from support.images import (
    OCI_EMPTY,
    Image,
    descriptor,
    make_image,
    make_layer,
    make_referrer,
    push,
)
from support.pairs import copy, layout, side, two_platforms, whole
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, HARBOR
from support.tagged import delete_tag

from regbot.errors import DigestMismatch, Malformed, NotFound, NotSupported, Stopped
from regbot.image.copy import copy_image
from regbot.image.deliveries import Deliveries
from regbot.image.options import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.stopping import Stop


def nested():
    inner = two_platforms()
    entry = inner.manifest.descriptor.to_json()
    other = make_image(created=None)
    listed = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    entries = [entry, other.manifest.descriptor.to_json()]
    return Image(Manifest.build({**listed, "manifests": entries}), children=(inner, other))


def unknown_type():
    layer = make_layer("data")
    data = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.example.thing+json",
        "config": descriptor(b"{}", OCI_EMPTY),
        "layers": [descriptor(layer, "application/x-thing")],
        "more": {"kept": [1, 2]},
    }
    blobs = {Digest.of(b"{}"): b"{}", Digest.of(layer): layer}
    return Image(Manifest.build(data), b"{}", blobs)


def odd_bytes():
    image = make_image()
    raw = b"\n " + json.dumps(dict(image.manifest.data), indent=7).encode() + b"\n\n"
    return Image(Manifest.parse(raw, OCI_MANIFEST), image.config, image.blobs)


IMAGES = {
    "image": make_image,
    "docker image": lambda: make_image(docker=True),
    "index": two_platforms,
    "docker list": lambda: two_platforms(docker=True),
    "nested index": nested,
    "artifact": lambda: make_referrer(make_image().manifest),
    "unknown media type": unknown_type,
    "odd bytes": odd_bytes,
}


@pytest.mark.parametrize("kind", sorted(IMAGES))
@pytest.mark.parametrize("way", ["registries", "to a folder", "from a folder", "folders"])
def test_the_copy_is_the_same_to_the_byte(kind, way, tmp_path):
    image = IMAGES[kind]()
    with side() as here, side(HARBOR, auth="") as there:
        source = layout(tmp_path / "a") if way in ("from a folder", "folders") else here.store()
        target = layout(tmp_path / "b") if way in ("to a folder", "folders") else there.store()
        push(source, image, "v1")
        copied = copy(source, "v1", target, "v2")
        assert copied.descriptor.digest == image.digest
        assert copied.changed
        assert target.manifest(Tag("v2")).raw == image.manifest.raw
        assert target.manifest(Tag("v2")).media_type == image.manifest.media_type
        assert whole(target, "v2") == whole(source, "v1")
        assert "v2" in target.tags()


def test_without_a_target_tag_the_copy_has_its_digest_alone():
    with side() as here, side() as there:
        image = two_platforms()
        push(here.store(), image, "v1")
        copy(here.store(), "v1", there.store(), "")
        assert there.registry.tags("team/app") == {}
        assert whole(there.store(), image.digest)


def test_another_digest_as_target_is_refused_before_anything_is_sent():
    with side() as here, side() as there:
        push(here.store(), make_image(), "v1")
        with pytest.raises(DigestMismatch, match="v1 is sha256"):
            copy(here.store(), "v1", there.store(), Digest.of(b"other"))
        assert there.registry.requests == []


@pytest.mark.parametrize(
    "options",
    [{}, {"force_recursive": True}, {"referrers": True, "digest_tags": True}, {"fast_check": True}],
    ids=str,
)
@pytest.mark.parametrize("quirks", [DISTRIBUTION_2, HARBOR], ids=["no referrers API", "API"])
def test_a_second_copy_sends_nothing_and_says_so(options, quirks):
    with side(DISTRIBUTION_3) as here, side(quirks, auth="") as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        push(here.store(), make_referrer(index.manifest))
        push(here.store(), make_image(created=None), f"{fallback_tag(index.digest)}.sig")
        assert copy(here.store(), "v1", there.store(), "v1", **options).changed
        there.registry.forget()
        here.registry.forget()
        assert not copy(here.store(), "v1", there.store(), "v1", **options).changed
        assert there.writes() == []
        assert here.registry.asked("GET", "/blobs/") == []


def drop_layer(target, image):
    target.registry.content.repository("team/app").blobs.pop(str(image.layers[0].digest))


def drop_manifest(target, image):
    delete_tag(target.store(), "v1")


@pytest.mark.parametrize("damage", [drop_layer, drop_manifest])
def test_a_copy_that_brings_back_what_is_missing_changed_something(damage):
    with side() as here, side() as there:
        image = push(here.store(), make_image(), "v1")
        copy(here.store(), "v1", there.store(), "v1")
        damage(there, image)
        assert copy(here.store(), "v1", there.store(), "v1", force_recursive=True).changed
        assert not copy(here.store(), "v1", there.store(), "v1", force_recursive=True).changed


def test_within_a_repository_a_tag_is_new_once():
    with side() as here:
        push(here.store(), make_image(), "v1")
        assert copy(here.store(), "v1", here.store(), "v2").changed
        assert not copy(here.store(), "v1", here.store(), "v2").changed


@pytest.mark.parametrize("options", [{}, {"referrers": True, "digest_tags": True}], ids=str)
def test_a_second_copy_to_a_folder_changes_nothing(options, tmp_path):
    with side(DISTRIBUTION_3) as here:
        image = push(here.store(), make_image(), "v1")
        push(here.store(), make_referrer(image))
        assert copy(here.store(), "v1", layout(tmp_path / "a"), "v1", **options).changed
        before = (tmp_path / "a" / "index.json").stat().st_mtime_ns
        assert not copy(here.store(), "v1", layout(tmp_path / "a"), "v1", **options).changed
        assert (tmp_path / "a" / "index.json").stat().st_mtime_ns == before


def test_a_second_copy_asks_each_side_once():
    with side() as here, side() as there:
        push(here.store(), two_platforms(), "v1")
        copy(here.store(), "v1", there.store(), "v1")
        here.registry.forget()
        there.registry.forget()
        copy(here.store(), "v1", there.store(), "v1")
        asked = [entry.method for entry in here.registry.requests + there.registry.requests]
        assert asked == ["HEAD", "HEAD"]


def test_what_the_target_has_is_neither_sent_nor_read_at_the_source():
    with side() as here, side() as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        push(there.store(), index, "other")
        here.registry.forget()
        there.registry.forget()
        copy(here.store(), "v1", there.store(), "v1")
        assert there.writes() == ["PUT /v2/team/app/manifests/v1"]
        assert here.registry.asked("GET") == []


def test_layers_shared_with_what_is_there_stay_where_they_are():
    with side() as here, side() as there:
        first, second = two_platforms().children
        push(there.store(), first, "v1")
        push(here.store(), second, "v2")
        copy(here.store(), "v2", there.store(), "v2")
        base = str(Digest.of(make_layer("base")))
        assert here.registry.asked("GET", base) == []
        assert len(here.registry.asked("GET", "/blobs/")) == 2


def test_within_a_registry_blobs_are_mounted():
    with side() as here:
        image = two_platforms()
        push(here.store("team/app"), image, "v1")
        here.registry.forget()
        copy(here.store("team/app"), "v1", here.store("team/mirror"), "v1")
        assert whole(here.store("team/mirror"), "v1") == whole(here.store("team/app"), "v1")
        assert not any(entry.size for entry in here.registry.asked(part="/uploads/"))
        assert len(here.registry.asked("POST", "mount=")) == 5
        assert not here.registry.asked("PUT", "/blobs/")


def test_a_registry_that_does_not_mount_gets_the_bytes():
    with side(mounts=False) as here:
        push(here.store("team/app"), make_image(), "v1")
        copy(here.store("team/app"), "v1", here.store("team/mirror"), "v1")
        assert whole(here.store("team/mirror"), "v1") == whole(here.store("team/app"), "v1")
        assert here.registry.uploads("team/mirror") == []


def test_what_was_removed_since_another_copy_of_the_run_is_sent_again():
    with side() as here, side() as there:
        deliveries = Deliveries()
        for number in (1, 2):
            push(here.store("team/app"), make_image(labels={"n": str(number)}), f"v{number}")
        for number in (1, 2):
            source, target = here.store("team/app"), there.store("team/app")
            name = Tag(f"v{number}")
            copy_image(source, name, target, name, deliveries=deliveries, stop=Stop())
            assert whole(target, name) == whole(here.store("team/app"), name)
            there.registry.content.repository("team/app").blobs.clear()


def test_within_a_repository_only_a_tag_is_put():
    with side() as here:
        push(here.store(), two_platforms(), "v1")
        here.registry.forget()
        copy(here.store(), "v1", here.store(), "stable")
        assert here.writes() == ["PUT /v2/team/app/manifests/stable"]
        assert here.registry.asked("HEAD", "/blobs/") == []


def test_layout_folders_share_the_files_of_blobs(tmp_path):
    source, target = layout(tmp_path / "a"), layout(tmp_path / "b")
    image = make_image()
    push(source, image, "v1")
    copy(source, "v1", target, "v1")
    layer = image.manifest.layers[0].digest.hex
    files = [tmp_path / name / "blobs" / "sha256" / layer for name in "ab"]
    assert files[0].stat().st_ino == files[1].stat().st_ino


def test_a_moved_tag_is_moved_at_the_target_too():
    with side() as here, side() as there:
        push(here.store(), make_image(labels={"n": "1"}), "v1")
        copy(here.store(), "v1", there.store(), "v1")
        second = make_image(labels={"n": "2"})
        push(here.store(), second, "v1")
        copy(here.store(), "v1", there.store(), "v1")
        assert there.registry.tags("team/app") == {"v1": str(second.digest)}


def test_schema_1_is_refused():
    with side() as here, side() as there:
        raw = json.dumps({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": []}).encode()
        kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        here.registry.put_raw("team/app", "old", raw, kind)
        with pytest.raises(NotSupported, match=r"team/app:old: manifests of schema 1"):
            copy(here.store(), "old", there.store(), "old")
        assert there.writes() == []


def test_an_index_may_list_blobs_as_build_caches_do():
    layer, config = make_layer("cache"), b'{"layers": [{"blob": "x"}]}'
    entries = [
        descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip"),
        descriptor(config, "application/vnd.buildkit.cacheconfig.v0"),
        descriptor(b"strange", "application/x-strange"),
    ]
    index = Manifest.build({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    with side(checks_references=False) as here, side(checks_references=False) as there:
        for content in (layer, config, b"strange"):
            here.registry.put_blob("team/app", content)
        here.registry.put_raw("team/app", "cache", index.raw, OCI_INDEX)
        copy(here.store(), "cache", there.store(), "cache")
        assert there.registry.blobs("team/app") == here.registry.blobs("team/app")
        assert there.registry.tags("team/app") == {"cache": str(index.digest)}


def test_an_image_with_a_child_that_is_missing_is_not_begun():
    with side() as here, side() as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        del here.registry.content.repository("team/app").manifests[str(index.children[1].digest)]
        with pytest.raises(NotFound):
            copy(here.store(), "v1", there.store(), "v1")
        assert there.writes() == []


def nest(registry, levels):
    image = make_image()
    registry.put("team/app", "", image)
    below = image.manifest
    for _ in range(levels):
        data = {"schemaVersion": 2, "mediaType": OCI_INDEX}
        below = Manifest.build({**data, "manifests": [below.descriptor.to_json()]})
        registry.put_raw("team/app", "", below.raw, OCI_INDEX)
    registry.tag("team/app", "deep", str(below.digest))


def test_indexes_may_be_nested_twenty_deep():
    with side() as here, side() as there:
        nest(here.registry, 20)
        copy(here.store(), "deep", there.store(), "deep")
        assert whole(there.store(), "deep") == whole(here.store(), "deep")


def test_deeper_nesting_is_refused():
    with side() as here, side() as there:
        nest(here.registry, 21)
        with pytest.raises(Malformed, match="more than 20 levels"):
            copy(here.store(), "deep", there.store(), "deep")
        assert there.writes() == []


def test_an_index_of_very_many_children_is_refused_before_they_are_read():
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 2}
        for number in range(11_000)
    ]
    with side() as here, side() as there:
        raw = Manifest.build({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).raw
        here.registry.put_raw("team/app", "wide", raw, OCI_INDEX)
        with pytest.raises(Malformed, match="more than 10000 manifests"):
            copy(here.store(), "wide", there.store(), "wide")
        assert len(here.registry.requests) < 5


def test_a_blob_that_is_not_what_it_should_be_ends_the_copy():
    with side() as here, side() as there:
        image = make_image()
        push(here.store(), image, "v1")
        layer = image.manifest.layers[0]
        wrong = bytes(layer.size)
        here.registry.content.repository("team/app").blobs[str(layer.digest)] = wrong
        with pytest.raises(DigestMismatch):
            copy(here.store(), "v1", there.store(), "v1")
        assert there.registry.tags("team/app") == {}
        assert there.registry.uploads("team/app") == []


def test_a_stop_ends_a_copy_between_requests():
    stop = Stop()
    with side() as here, side() as there:
        push(here.store(), two_platforms(), "v1")
        there.registry.before("POST", "/uploads/", stop.ask)
        with pytest.raises(Stopped):
            copy_image(here.store(), Tag("v1"), there.store(), Tag("v1"), CopyOptions(), stop=stop)
        assert there.registry.tags("team/app") == {}
