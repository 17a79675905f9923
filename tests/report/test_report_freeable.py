"""What a report counts, what it leaves out, and what it says it does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.clients import Client
from support.images import make_image, make_index, make_layer, push
from support.ran import LIMIT, NOW, delete_manifest, delete_tags, evidence_of, reported
from support.registry import DISTRIBUTION_3, TestRegistry
from support.tagged import delete_tag

from regbot.errors import ServerFault, Stopped
from regbot.image.options import CopyOptions
from regbot.oci.manifest import DOCKER_SCHEMA1
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import CopyImage, DeleteTag
from regbot.plan.gathering import gather
from regbot.plan.outcome import Outcome
from regbot.stopping import Stop
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores

BASE = make_layer("base" * 1000)


class Place:
    """A registry and the stores that read and write it."""

    def __init__(self, registry, client):
        self.registry = registry
        self.stores = OpenStores(client.exchange)

    def repository(self, name="team/app"):
        return Reference("registry", self.registry.host, name)

    def push(self, tag, *layers, name="team/app", **options):
        image = make_image(layers=[BASE, *map(make_layer, layers)], **options)
        push(self.stores.open(self.repository(name)), image, tag)
        return image


@pytest.fixture
def place():
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        yield Place(registry, client)


def own_bytes(image, *shared):
    """Bytes of an image without those layers."""
    return image.manifest.size + sum(
        len(content) for content in image.blobs.values() if content not in shared
    )


def line(found):
    (only,) = found.repositories
    return only


def test_layers_that_a_kept_tag_uses_do_not_count(place):
    old = place.push("old", "old")
    place.push("keep", "keep")
    found = line(reported(delete_tags(place.stores, place.repository(), "old"), place.stores))
    assert found.bytes_only == own_bytes(old, BASE)
    assert (found.tags_before, found.deleted, found.kept) == (2, 1, 1)


def test_without_any_other_tag_all_of_it_counts(place):
    old = place.push("old", "old")
    found = line(reported(delete_tags(place.stores, place.repository(), "old"), place.stores))
    assert found.bytes_only == own_bytes(old)
    assert found.kept == 0


def test_a_manifest_that_another_tag_or_a_kept_index_leads_to_frees_nothing(place):
    image = place.push("one", "x")
    place.push("two", "x")
    store = place.stores.open(place.repository())
    push(store, make_index({"linux/amd64": image}), "index")
    found = line(reported(delete_tags(place.stores, place.repository(), "one"), place.stores))
    assert found.bytes_only == 0
    delete_tag(store, Tag("two"))
    push(store, image, "three")
    found = line(reported(delete_tags(place.stores, place.repository(), "three"), place.stores))
    assert found.bytes_only == 0


def test_every_platform_of_a_deleted_index_counts_once(place):
    children = {
        name: make_image(platform=name, layers=[BASE, make_layer(name)])
        for name in ("linux/amd64", "linux/arm64")
    }
    index = make_index(children)
    push(place.stores.open(place.repository()), index, "old")
    outcomes = delete_tags(place.stores, place.repository(), "old")
    expected = index.manifest.size + sum(own_bytes(one, BASE) for one in children.values())
    assert line(reported(outcomes, place.stores)).bytes_only == expected + len(BASE)
    assert reported(outcomes, place.stores).rows[0].size == expected + len(BASE)


def test_what_another_repository_of_the_run_keeps_does_not_count(place):
    old = place.push("old", "old")
    place.push("keep", "old", name="team/mirror")
    copied = Outcome(
        "mirror",
        CopyImage(
            place.repository("team/mirror").with_tag(Tag("keep")),
            place.repository("team/third").with_tag(Tag("keep")),
            CopyOptions(),
        ),
        "done",
    )
    deleted = delete_tags(place.stores, place.repository(), "old")
    assert line(reported(deleted, place.stores)).bytes_only == own_bytes(old)
    found = reported([*deleted, copied], place.stores).repositories
    assert [(one.script, one.bytes_only, one.other) for one in found] == [
        ("clean", 0, 0),
        ("mirror", 0, 1),
    ]
    assert "repositories that this run did not look at may use the same layers" in found[0].unknown


def test_what_two_repositories_lose_counts_on_the_first_alone(place):
    old = place.push("old", "old")
    place.push("old", "old", name="team/mirror")
    outcomes = delete_tags(place.stores, place.repository(), "old")
    outcomes += delete_tags(place.stores, place.repository("team/mirror"), "old")
    found = reported(outcomes, place.stores)
    assert [one.bytes_only for one in found.repositories] == [own_bytes(old), 0]
    assert found.bytes_known == own_bytes(old)


def test_a_dry_run_says_the_same_as_the_real_one(place):
    place.push("old", "old")
    place.push("older", "old", "older")
    place.push("keep", "keep")
    planned = OverlayStores(place.stores)
    dry = delete_tags(planned, place.repository(), "old", "older", status="planned")
    before = reported(dry, planned, dry_run=True).repositories
    live = delete_tags(place.stores, place.repository(), "old", "older")
    assert reported(live, place.stores).repositories == before


def test_a_tag_that_was_put_back_frees_nothing(place):
    image = place.push("old", "old")
    outcomes = delete_tags(place.stores, place.repository(), "old")
    push(place.stores.open(place.repository()), image, "old")
    assert line(reported(outcomes, place.stores)).bytes_only == 0


def test_skipped_and_failed_deletes_free_nothing(place):
    place.push("a", "a")
    place.push("b", "b")
    store = place.stores.open(place.repository())
    evidence = evidence_of(store, store.head(Tag("a")).digest)
    outcomes = [
        Outcome(
            "clean", DeleteTag(place.repository().with_tag(Tag("a"))), status, None, "why", evidence
        )
        for status in ("skipped", "failed")
    ]
    found = line(reported(outcomes, place.stores))
    assert (found.deleted, found.skipped, found.failed, found.bytes_only) == (0, 1, 1, 0)


def test_a_kept_tag_that_cannot_be_read_leaves_the_bytes_unknown_and_says_why(place):
    place.push("old", "old")
    kept = place.push("keep", "keep")
    outcomes = delete_tags(place.stores, place.repository(), "old")

    class Failing(OverlayStores):
        def open(self, reference):
            found = super().open(reference)
            found.manifest = fail
            return found

    def fail(name):
        raise ServerFault("502", method="GET", url=f"https://r/{name}", status=502)

    found = reported(outcomes, Failing(place.stores))
    assert line(found).bytes_only is None
    assert line(found).kept == 1
    assert found.lines_unknown == 1
    assert line(found).unknown == (
        f"the remaining tags can't be read: GET https://r/{kept.digest}: 502",
    )


def test_a_kept_tag_of_schema_1_leaves_the_bytes_unknown(place):
    place.push("old", "old")
    ancient = b'{"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": []}'
    place.registry.put_raw("team/app", "ancient", ancient, DOCKER_SCHEMA1)
    outcomes = delete_tags(place.stores, place.repository(), "old")
    found = line(reported(outcomes, place.stores))
    assert found.bytes_only is None
    assert "schema 1, which has no sizes of layers" in found.unknown[-1]


def test_what_was_not_read_before_it_went_is_not_guessed(place):
    place.push("keep", "keep")
    gone = Outcome("clean", DeleteTag(place.repository().with_tag(Tag("gone"))), "done")
    found = line(reported([gone], place.stores))
    assert found.bytes_only is None
    assert found.tags_before is None
    assert found.unknown == (
        "the number of tags before the run was not read",
        "the layers of a deleted image are unknown: it was not read before it was deleted",
    )


def test_a_tag_that_was_gone_already_held_nothing(place):
    place.push("keep", "keep")
    store = place.stores.open(place.repository())
    evidence = evidence_of(store, None)
    action = DeleteTag(place.repository().with_tag(Tag("gone")), may_be_gone=True)
    outcome = Outcome("clean", action, "done", None, "already gone", evidence)
    found = reported([outcome], place.stores)
    assert line(found).bytes_only == 0
    assert found.rows[0].size is None


def test_a_stopped_run_still_gets_its_report(place):
    place.push("old", "old")
    place.push("keep", "keep")
    outcomes = delete_tags(place.stores, place.repository(), "old")
    stop = Stop()
    stop.ask()
    found = line(reported(outcomes, place.stores, stop=stop))
    assert found.bytes_only is None
    assert found.deleted == 1
    assert "stopped" in found.unknown[-1]


def test_a_stop_ends_the_reading_of_what_an_image_holds(place):
    place.push("old", "old")
    store = place.stores.open(place.repository())
    digest = store.head(Tag("old")).digest
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        gather(store, digest, blob_limit=LIMIT, stop=stop)


def test_the_age_is_that_of_the_image(place):
    place.push("old", "old", created="2025-06-05T15:06:40Z")
    place.push("undated", "undated", created=None)
    outcomes = delete_tags(place.stores, place.repository(), "old", "undated")
    old, undated = reported(outcomes, place.stores).rows
    assert old.age_seconds == 10 * 86400
    assert old.created == NOW - 10 * 86400
    assert undated.age_seconds is None


def test_tags_that_go_with_a_digest_are_counted_and_named(place):
    image = place.push("one", "x")
    place.push("two", "x")
    outcome = delete_manifest(place.stores, place.repository(), image.digest)
    assert line(reported([outcome], place.stores)).deleted == 1
    named = Outcome(
        outcome.script, outcome.action, "done", outcome.digest, "",
        replace(outcome.evidence, tags_before=2, tags=(Tag("one"), Tag("two"))),
    )  # fmt: skip
    found = reported([named], place.stores)
    assert line(found).deleted == 2
    assert found.rows[0].detail == "with its tags: one, two"


def test_a_layout_folder_is_accounted_for_by_itself(place, tmp_path):
    folder = Reference.parse(f"ocidir://{tmp_path}/layout").without_name
    store = place.stores.open(folder)
    old = make_image(layers=[BASE, make_layer("old")])
    push(store, old, "old")
    push(store, make_image(layers=[BASE]), "keep")
    found = line(reported(delete_tags(place.stores, folder, "old"), place.stores))
    place.stores.close()
    assert found.bytes_only == own_bytes(old, BASE)
    assert not any("repositories" in text for text in found.unknown)
