"""Undo: what a run deleted is back, nothing else is touched, and what is lost is said."""

from __future__ import annotations

import pytest
from support.clients import Client
from support.images import make_image, make_referrer, push, push_blobs
from support.journals import begin, delete_digest, delete_tags, end, note, saved_before
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, HARBOR, TestRegistry
from support.tagged import delete_tag
from support.undoing import NEW, OLD, World, statuses, two_platforms

from regbot.errors import InvalidValue, NotFound
from regbot.journal.opening import open_journal
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag, PutManifest
from regbot.stopping import Stop
from regbot.store.opener import OpenStores

QUIRKS = {"tags in all": DISTRIBUTION_3, "no tag delete": DISTRIBUTION_2, "referrers API": HARBOR}


@pytest.fixture(params=["folder", *QUIRKS])
def world(request, tmp_path):
    with open_journal(tmp_path / "state") as journal:
        stop = Stop()
        if request.param == "folder":
            with Client("registry.invalid") as client:
                place = Reference.parse(f"ocidir://{tmp_path}/layout")
                yield World(journal, OpenStores(client.exchange), place, stop)
            return
        quirks = QUIRKS[request.param]
        with TestRegistry(quirks, auth="") as registry, Client(registry.host) as client:
            stores = OpenStores(client.exchange, mirrors=False)
            place = Reference.parse(f"{registry.host}/team/app")
            yield World(journal, stores, place, stop)


def test_every_tag_is_back_on_its_digest(world):
    push(world.store, OLD, "v1")
    push(world.store, OLD, "v1.0")
    push(world.store, NEW, "v2")
    before = world.tags()
    delete_tags(world.run, world.store, "v1", "v2", "v1.0")
    assert world.tags() == {}
    found = world.undo()
    assert statuses(found) == {"v1": "restored", "v1.0": "restored", "v2": "restored"}
    assert [undone.reference.tag for undone in found] == ["v1.0", "v2", "v1"]
    assert world.tags() == before
    assert world.store.manifest(Tag("v1")) == OLD.manifest


def test_a_manifest_is_back_with_all_its_tags(world):
    push(world.store, OLD, "v1")
    push(world.store, OLD, "v1.0")
    before = world.tags()
    delete_digest(world.run, world.store, OLD.digest)
    assert world.tags() == {}
    found = world.undo()
    assert statuses(found) == {str(OLD.digest): "restored", "v1": "restored", "v1.0": "restored"}
    assert world.tags() == before


def test_an_index_is_back_with_its_children_and_referrers(world):
    index = two_platforms()
    push(world.store, index, "v1")
    signature = push(world.store, make_referrer(index.manifest))
    push(world.store, NEW, "keeps-the-repository")
    delete_tags(world.run, world.store, "v1")
    parts = [index.digest, *(child.digest for child in index.children), signature.digest]
    for digest in parts:
        delete_digest(world.run, world.store, digest)
    found = world.undo()
    assert {undone.status for undone in found} <= {"restored", "unchanged"}
    assert world.store.manifest(Tag("v1")) == index.manifest
    for child in index.children:
        assert world.store.manifest(child.digest) == child.manifest
    assert [one.digest for one in world.store.referrers(index.digest)] == [signature.digest]


def test_the_tag_alone_brings_all_of_its_index_back(world):
    index = two_platforms()
    push(world.store, index, "v1")
    signature = push(world.store, make_referrer(index.manifest))
    delete_tags(world.run, world.store, "v1")
    other = begin(world.journal)
    for digest in [index.digest, *(child.digest for child in index.children), signature.digest]:
        delete_digest(other, world.store, digest)
    assert statuses(world.undo()) == {"v1": "restored"}
    assert [world.store.manifest(child.digest) for child in index.children]
    assert [one.digest for one in world.store.referrers(index.digest)] == [signature.digest]


def test_undone_twice_it_is_there_already(world):
    push(world.store, OLD, "v1")
    push(world.store, NEW, "v2")
    delete_tags(world.run, world.store, "v1")
    delete_digest(world.run, world.store, NEW.digest)
    world.undo()
    before = world.tags()
    assert {undone.status for undone in world.undo()} == {"unchanged"}
    assert world.tags() == before


def test_a_tag_that_is_in_use_again_is_left_alone(world):
    push(world.store, OLD, "v1")
    push(world.store, OLD, "v1.0")
    delete_digest(world.run, world.store, OLD.digest)
    push(world.store, NEW, "v1")
    events = []
    found = {undone.reference.name: undone for undone in world.undo(emit=events.append)}
    assert (found["v1"].status, found["v1"].detail) == (
        "skipped",
        f"the tag has the digest {NEW.digest} by now",
    )
    assert found["v1.0"].status == "restored"
    assert world.tags() == {"v1": NEW.digest, "v1.0": OLD.digest}
    assert [event.level for event in events if event.text == "undo: skipped"] == ["warn"]


def test_a_tag_deleted_twice_has_what_was_deleted_last(world):
    push(world.store, OLD, "v1")
    delete_tags(world.run, world.store, "v1")
    push(world.store, NEW, "v1")
    delete_tags(world.run, world.store, "v1")
    assert [undone.status for undone in world.undo()] == ["restored", "skipped"]
    assert world.tags() == {"v1": NEW.digest}


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("status", ["begun", "failed"])
def test_a_delete_that_was_broken_off_is_undone_if_it_took_place(world, status, happened):
    push(world.store, OLD, "v1")
    action = DeleteTag(world.store.repository.with_tag(Tag("v1")))
    saved = saved_before(world.store, action)
    entry = note(world.run, "clean-up", action, saved)
    if happened:
        delete_tag(world.store, Tag("v1"))
    if status == "failed":
        end(world.run, entry, "failed", "no whole answer")
    assert statuses(world.undo()) == {"v1": "restored" if happened else "unchanged"}
    assert world.tags() == {"v1": OLD.digest}


def test_what_was_skipped_or_gone_before_is_not_undone(world):
    push(world.store, OLD, "v1")
    action = DeleteTag(world.store.repository.with_tag(Tag("v1")))
    saved = saved_before(world.store, action)
    end(world.run, note(world.run, "clean-up", action, saved), "skipped", "moved")
    end(world.run, note(world.run, "clean-up", action), "failed", "not found")
    delete_tag(world.store, Tag("v1"))
    assert world.undo() == []
    assert world.tags() == {}


def test_puts_are_not_undone_and_this_is_said(world):
    push_blobs(world.store, NEW)
    action = PutManifest(world.store.repository.with_tag(Tag("v1")), NEW.manifest)
    entry = note(world.run, "mirror", action)
    world.store.put_manifest(Tag("v1"), NEW.manifest)
    end(world.run, entry, "done")
    (undone,) = world.undo()
    assert (undone.status, undone.detail) == ("skipped", "put manifest is not undone")
    assert world.tags() == {"v1": NEW.digest}


def test_only_the_tags_asked_for_are_put_back(world):
    push(world.store, OLD, "v1")
    push(world.store, OLD, "v1.0")
    push(world.store, NEW, "v2")
    push(world.store, make_image(created=None), "v3")
    delete_digest(world.run, world.store, OLD.digest)
    delete_tags(world.run, world.store, "v2", "v3")
    full = str(world.store.repository.with_tag(Tag("v2")))
    world.undo(tags=["v1.0", full])
    assert world.tags() == {"v1.0": OLD.digest, "v2": NEW.digest}


def test_a_tag_that_was_not_deleted_is_an_error_before_anything(world):
    push(world.store, OLD, "v1")
    delete_tags(world.run, world.store, "v1")
    with pytest.raises(NotFound, match="deleted no tag 'v9'"):
        world.undo(tags=["v1", "v9"])
    assert world.tags() == {}
    assert [run.kind for run in world.journal.runs()] == ["once"]


def test_an_undo_is_a_run_of_its_own(world):
    push(world.store, OLD, "v1")
    delete_tags(world.run, world.store, "v1")
    world.undo(world.run.id[:10])
    (run,) = [run for run in world.journal.runs() if run.kind == "undo"]
    assert (run.status, run.config, run.fingerprint) == ("done", "regbot.yml", "f00d")
    last = world.journal.actions(run.id)[-1]
    assert (last.verb, last.reference.tag, last.status) == ("put manifest", "v1", "done")
    assert last.reason == f"undo of {world.run.id}"
    assert {undone.status for undone in world.undo(run.id)} == {"skipped"}


def test_an_undo_that_has_to_end_tells_what_is_left(world):
    push(world.store, OLD, "v1")
    push(world.store, NEW, "v2")
    delete_tags(world.run, world.store, "v1", "v2")
    found = world.undo(emit=lambda _: world.stop.ask())
    assert [(one.reference.tag, one.status) for one in found] == [
        ("v2", "restored"),
        ("v1", "stopped"),
    ]
    assert found[1].detail == "stopped, before its turn"
    (run,) = [run for run in world.journal.runs() if run.kind == "undo"]
    assert run.status == "stopped"


def test_an_unknown_run_is_an_error(world):
    with pytest.raises(NotFound, match="no run '1999'"):
        world.undo("1999")
    begin(world.journal)
    with pytest.raises(InvalidValue, match="several runs"):
        world.undo(world.run.id[:2])
