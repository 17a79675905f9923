"""A delete that the registry refuses leaves the tag as it was: PITFALLS, "Deleting"."""

from __future__ import annotations

import json

import pytest
from support.clients import Client, quick
from support.registry import DELETE_OFF, DISTRIBUTION_2, TestRegistry
from support.tagged import APP, BY_DIGEST, delete_tag, fill, without_old

from regbot.errors import (
    ConnectionFailed,
    Forbidden,
    NotRestored,
    NotSupported,
    RegbotError,
    ServerFault,
    Stopped,
    TooManyRequests,
)
from regbot.events import LeftBehind
from regbot.oci.manifest import DOCKER_SCHEMA1
from regbot.oci.tag import Tag
from regbot.stopping import Stop


def test_delete_switched_off() -> None:
    """With delete switched off 405: every tag unchanged, and asked only once."""
    with TestRegistry(DELETE_OFF) as registry, Client(registry.host) as client:
        before = fill(registry)
        store = client.store()
        for _ in range(3):
            with pytest.raises(NotSupported, match="every tag is as it was"):
                delete_tag(store, Tag("old"))
        assert registry.tags(APP) == before
        assert len(registry.asked("PUT", "/manifests/")) == 1
        assert not registry.asked("PUT", "/manifests/old")


def test_many_runs_leave_one_small_manifest_at_most() -> None:
    """PITFALLS: prove first, with as little left behind as can be."""
    with TestRegistry(DELETE_OFF) as registry, Client(registry.host) as client:
        fill(registry)
        count = len(registry.manifests(APP))
        for _ in range(3):
            with pytest.raises(NotSupported):
                delete_tag(client.store(), Tag("old"))
        assert len(registry.manifests(APP)) == count + 1


@pytest.mark.parametrize("status", [401, 403])
def test_no_permission_to_delete(status: int) -> None:
    """PITFALLS: never the known way after 401 or 403."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.break_next("status", "DELETE", BY_DIGEST, times=100, status=status, code="DENIED")
        with pytest.raises(NotSupported, match=str(status)):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before
        assert not registry.asked("PUT", "/manifests/old")


def test_no_permission_to_push() -> None:
    """PITFALLS: never the known way after 401 or 403."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.break_next("status", "POST", times=100, status=403, code="DENIED")
        with pytest.raises(Forbidden):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_proof_that_could_not_be_had(status: int) -> None:
    """429 and 5xx say nothing of deleting: no way is taken, none is ruled out."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        store = client.store()
        registry.break_next("status", "DELETE", BY_DIGEST, times=4, status=status)
        with pytest.raises((TooManyRequests, ServerFault)):
            delete_tag(store, Tag("old"))
        assert registry.tags(APP) == before
        delete_tag(store, Tag("old"))
        assert registry.tags(APP) == without_old(before)


def test_a_proof_that_is_accepted_but_not_done() -> None:
    """PITFALLS: read back after deleting."""
    with TestRegistry(DISTRIBUTION_2, manifest_delete="ignored") as registry:
        before = fill(registry)
        with Client(registry.host) as client, pytest.raises(NotSupported):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 403, "code": "DENIED"}),
        ("status", {"status": 405, "code": "UNSUPPORTED"}),
        ("status", {"status": 500}),
        ("status", {"status": 429}),
        ("drop", {}),
    ],
)
def test_refused_after_the_proof(kind: str, how: dict[str, object]) -> None:
    """If the last step still fails, put the original manifest back on the tag."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.break_next(kind, "DELETE", BY_DIGEST, after=1, times=100, **how)
        with pytest.raises(RegbotError) as caught:
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before
        said = " ".join([str(caught.value), *client.said("warn")])
        assert before["old"] in said
        assert "again" in said


def test_only_untagged_manifests_can_be_deleted() -> None:
    """A proof that succeeds is no promise: the original is put back."""
    with TestRegistry(DISTRIBUTION_2, manifest_delete="only proofs") as registry:
        before = fill(registry)
        with Client(registry.host) as client, pytest.raises(NotSupported, match="again"):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before


@pytest.mark.parametrize("kind", ["status", "drop", "lost answer"])
def test_the_push_onto_the_tag_fails(kind: str) -> None:
    """Law: a delete that the registry refuses leaves the tag as it was."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.break_next(kind, "PUT", "/manifests/old", times=4, status=500)
        with pytest.raises((ServerFault, ConnectionFailed, NotSupported)):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before


def test_tags_that_can_not_be_changed() -> None:
    """Law: a delete that the registry refuses leaves the tag as it was."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        how = {"status": 403, "code": "DENIED", "times": 100}
        registry.break_next("status", "PUT", "/manifests/old", **how)
        with pytest.raises(NotSupported, match="DENIED"):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before
        assert not client.said("error")


def test_the_answer_of_the_last_step_got_lost() -> None:
    """PITFALLS: read back after deleting."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.break_next("lost answer", "DELETE", BY_DIGEST, after=1)
        delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == without_old(before)


def test_a_stop_in_the_middle_brings_the_tag_back() -> None:
    """SIGTERM between the two steps: the tag is as before."""
    stop = Stop(sleep=quick)
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host, stop=stop) as client:
        before = fill(registry)
        registry.before("PUT", "/manifests/old", stop.ask)
        store = client.store()
        with pytest.raises(Stopped):
            delete_tag(store, Tag("old"))
        assert registry.tags(APP) == before


def test_what_can_not_be_put_back_is_said_loudly() -> None:
    """PITFALLS: if the last step still fails, put the original manifest back."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        refused = {"status": 403, "code": "DENIED", "times": 100}
        registry.break_next("status", "DELETE", BY_DIGEST, after=1, **refused)
        registry.break_next("status", "PUT", "/manifests/old", after=1, **refused)
        with pytest.raises(NotRestored, match=before["old"]):
            delete_tag(client.store(), Tag("old"))
        assert LeftBehind(f"{registry.host}/{APP}:old", before["old"]) in client.events


def test_schema_1_is_left_alone() -> None:
    """Schema 1 is never written, so it could not be put back."""
    raw = json.dumps({"schemaVersion": 1, "name": APP, "fsLayers": []}).encode()
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        registry.put_raw(APP, "old", raw, DOCKER_SCHEMA1)
        before = dict(registry.tags(APP))
        with pytest.raises(NotSupported, match="schema 1"):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before


def test_a_broken_image_that_could_not_be_put_back_is_left_alone() -> None:
    """What can't be put back is not taken away: a registry refuses what lacks a blob."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        registry.content.repository(APP).blobs.clear()
        with pytest.raises(NotSupported, match="could not be put back"):
            delete_tag(client.store(), Tag("old"))
        assert registry.tags(APP) == before
        assert not registry.asked("PUT", "/manifests/old")
