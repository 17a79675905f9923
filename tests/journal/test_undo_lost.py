"""Undo where something is lost, refused or damaged: said, and nothing is put back in part."""

from __future__ import annotations

import pytest
from support.clients import Client
from support.images import make_referrer, push
from support.journals import delete, delete_digest, delete_tags
from support.registry import DISTRIBUTION_3, TestRegistry
from support.undoing import NEW, OLD, World, statuses, two_platforms

from regbot.errors import ServerFault
from regbot.journal.opening import open_journal
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest
from regbot.stopping import Stop
from regbot.store.opener import OpenStores


@pytest.fixture
def remote(tmp_path):
    """A registry in memory that can be tampered with."""
    with (
        open_journal(tmp_path / "state") as journal,
        TestRegistry(DISTRIBUTION_3, checks_references=False) as registry,
        Client(registry.host) as client,
    ):
        stores = OpenStores(client.exchange, mirrors=False)
        world = World(journal, stores, Reference.parse(f"{registry.host}/team/app"), Stop())
        world.registry = registry
        world.content = registry.content.repository("team/app")
        yield world


def test_blobs_that_garbage_collection_took_are_named(remote):
    push(remote.store, OLD, "v1")
    delete_digest(remote.run, remote.store, OLD.digest)
    layer = OLD.manifest.layers[0].digest
    del remote.content.blobs[str(layer)]
    before = len(remote.registry.requests)
    (undone, tag) = remote.undo()
    assert undone.status == tag.status == "failed"
    assert tag.detail == f"garbage collection has removed 1 of 2 blobs: {layer}"
    later = remote.registry.requests[before:]
    assert {entry.method for entry in later} <= {"GET", "HEAD"}
    assert "undo" not in {run.kind for run in remote.journal.runs()}, "it changed nothing"


def test_an_index_is_not_put_back_in_part(remote):
    index = two_platforms()
    push(remote.store, index, "v1")
    delete_tags(remote.run, remote.store, "v1")
    for digest in (index.digest, *(child.digest for child in index.children)):
        remote.store.delete_manifest(digest)
    del remote.content.blobs[str(index.children[1].manifest.layers[0].digest)]
    (undone,) = remote.undo()
    assert undone.status == "failed"
    assert remote.content.manifests == {}


def test_an_image_is_back_without_the_referrer_that_is_lost(remote):
    push(remote.store, OLD, "v1")
    signature = push(remote.store, make_referrer(OLD.manifest))
    delete_digest(remote.run, remote.store, OLD.digest)
    remote.store.delete_manifest(signature.digest)
    del remote.content.blobs[str(signature.layers[0].digest)]
    found = remote.undo()
    assert statuses(found) == {str(OLD.digest): "restored", "v1": "restored"}
    assert found[0].detail.startswith(f"a referrer is not back: {signature.digest}")
    assert remote.tags() == {"v1": OLD.digest}


def test_an_index_whose_child_was_missing_before_is_back_as_it_was(remote):
    index = two_platforms()
    push(remote.store, index.children[0])
    remote.store.put_manifest(Tag("v1"), index.manifest)
    delete_tags(remote.run, remote.store, "v1")
    remote.store.delete_manifest(index.digest)
    assert statuses(remote.undo()) == {"v1": "restored"}
    assert remote.tags() == {"v1": index.digest}


def test_a_registry_that_refuses_is_in_the_result_and_the_rest_goes_on(remote):
    for tag, image in (("v1", OLD), ("v2", NEW)):
        push(remote.store, image, tag)
        delete_tags(remote.run, remote.store, tag)
    remote.registry.break_next(method="PUT", path="manifests/v2", status=403, code="DENIED")
    found = {undone.reference.tag: undone for undone in remote.undo()}
    assert found["v1"].status == "restored"
    assert found["v2"].status == "failed"
    assert "403" in found["v2"].detail
    (run,) = [run for run in remote.journal.runs() if run.kind == "undo"]
    assert run.counts["failed"] == 1
    assert statuses(remote.undo()) == {"v1": "unchanged", "v2": "restored"}


def test_a_manifest_that_the_journal_lost_is_in_the_result(remote, tmp_path):
    push(remote.store, OLD, "v1")
    delete_digest(remote.run, remote.store, OLD.digest)
    path = tmp_path / "state" / "manifests" / "sha256" / OLD.digest.hex
    path.write_bytes(b"{}")
    assert {undone.status for undone in remote.undo()} == {"failed"}
    assert remote.content.manifests == {}


def test_a_tag_that_led_nowhere_can_t_be_put_back(tmp_path):
    with open_journal(tmp_path / "state") as journal, Client("registry.invalid") as client:
        place = Reference.parse(f"ocidir://{tmp_path}/layout")
        world = World(journal, OpenStores(client.exchange), place, Stop())
        push(world.store, OLD, "v1")
        push(world.store, NEW, "v2")
        (tmp_path / "layout" / "blobs" / "sha256" / OLD.digest.hex).unlink()
        delete_tags(world.run, world.store, "v1")
        (undone,) = world.undo()
        assert undone.status == "failed"
        assert "no longer existed when it was deleted" in undone.detail


def test_a_folder_after_clean_up_says_what_is_lost_and_keeps_what_it_has(tmp_path):
    with open_journal(tmp_path / "state") as journal, Client("registry.invalid") as client:
        place = Reference.parse(f"ocidir://{tmp_path}/layout")
        world = World(journal, OpenStores(client.exchange), place, Stop())
        index = two_platforms()
        push(world.store, index, "v1")
        push(world.store, NEW, "v2")
        delete_tags(world.run, world.store, "v1", "v2")
        push(world.store, NEW, "v3")
        world.store.collect_garbage(grace=-1)
        found = {undone.reference.tag: undone for undone in world.undo()}
        assert found["v1"].status == "failed"
        assert "garbage collection has removed 4 of 4 blobs" in found["v1"].detail
        assert "and 1 more" in found["v1"].detail
        assert found["v2"].status == "restored"
        assert world.tags() == {"v2": NEW.digest, "v3": NEW.digest}


def test_a_delete_that_can_t_be_noted_is_seen_before_it_happens(remote):
    push(remote.store, OLD, "v1")
    remote.registry.break_next(path="manifests/sha256", times=100, status=500)
    action = DeleteManifest(remote.store.repository.with_digest(OLD.digest), OLD.digest)
    with pytest.raises(ServerFault, match="500"):
        delete(remote.run, remote.store, action)
    assert remote.journal.actions(remote.run.id) == []
    assert remote.tags() == {"v1": OLD.digest}
