"""Deleting tags: PITFALLS, "Deleting", and the law that a refused delete changes nothing."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from support.clients import Client
from support.images import make_image
from support.registry import DISTRIBUTION_2, QUAY, TestRegistry
from support.tagged import APP, BY_DIGEST, delete_tag, fill, without_old

from regbot.errors import (
    DigestMismatch,
    Forbidden,
    NotConfirmed,
    NotFound,
    NotSupported,
    RegbotError,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.oci.manifest import DOCKER_MANIFEST, OCI_MANIFEST
from regbot.oci.tag import Tag

BY_NAME = r"/manifests/(old|kept)"


class TestByName:
    def test_one_delete_and_a_look_afterwards(self) -> None:
        """distribution 3 answers 202; read back after deleting."""
        with TestRegistry() as registry, Client(registry.host) as client:
            before = fill(registry)
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)
            assert [entry.method for entry in registry.requests] == ["HEAD", "DELETE", "HEAD"]

    def test_an_eventually_consistent_registry(self) -> None:
        """Read back after deleting when the registry is eventually consistent."""
        with TestRegistry(stale_reads=3) as registry, Client(registry.host) as client:
            before = fill(registry)
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)

    def test_accepted_but_not_done(self) -> None:
        """A registry that says 202 and deletes nothing is found out."""
        with TestRegistry(tag_delete="ignored") as registry, Client(registry.host) as client:
            before = fill(registry)
            with pytest.raises(NotSupported, match="still there"):
                delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == before
            assert not registry.asked("PUT")

    def test_a_tag_that_was_never_there(self) -> None:
        """PITFALLS: 404 on delete is done only when the tag was seen before."""
        with TestRegistry() as registry, Client(registry.host) as client:
            fill(registry)
            with pytest.raises(NotFound):
                delete_tag(client.store(), Tag("absent"))
            assert not registry.asked("DELETE")

    def test_gone_between_the_look_and_the_delete(self) -> None:
        """A listed tag may be gone: 404 on delete is done when the tag was seen before."""
        with TestRegistry() as registry, Client(registry.host) as client:
            before = fill(registry)
            own = registry.content.repository(APP)
            registry.before("DELETE", BY_NAME, lambda: own.delete_tag("old"))
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)
            assert not registry.asked("PUT")

    def test_an_answer_that_got_lost(self) -> None:
        """PITFALLS: 404 on delete is done, not an error, when the tag was seen before."""
        with TestRegistry() as registry, Client(registry.host) as client:
            before = fill(registry)
            registry.break_next("lost answer", "DELETE", BY_NAME)
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)

    def test_a_look_that_fails_does_not_confirm_a_delete(self) -> None:
        """PITFALLS: read back after deleting."""
        with TestRegistry() as registry, Client(registry.host) as client:
            before = fill(registry)
            registry.break_next("status", "HEAD", BY_NAME, after=1, times=100, status=500)
            with pytest.raises(NotConfirmed, match="whether the tag is gone could not be seen"):
                delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)

    @pytest.mark.parametrize(
        ("status", "code", "error"),
        [
            (401, "UNAUTHORIZED", Unauthorized),
            (403, "DENIED", Forbidden),
            (429, "TOOMANYREQUESTS", TooManyRequests),
            (429, "UNSUPPORTED", NotSupported),
            (500, "UNKNOWN", ServerFault),
            (503, "UNSUPPORTED", NotSupported),
            (400, "NAME_INVALID", RegbotError),
            (400, "", RegbotError),
            (409, "DENIED", RegbotError),
        ],
    )
    def test_never_the_other_way_after_an_error_that_says_something_else(
        self, status: int, code: str, error: type[RegbotError]
    ) -> None:
        """Only after 400/404/405 that mean "not supported"; never after 401, 403, 429, 5xx."""
        with TestRegistry() as registry, Client(registry.host) as client:
            before = fill(registry)
            registry.break_next("status", "DELETE", times=100, status=status, code=code)
            with pytest.raises(error):
                delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == before
            assert not registry.asked("PUT")
            assert not registry.asked("POST")


@pytest.mark.parametrize("answer", ["digest invalid", "unsupported", "unknown"])
class TestByPlaceholder:
    """Registries that answer 400 DIGEST_INVALID, 405, or 404 to a tag's name."""

    def test_the_tag_goes_and_nothing_else(self, answer: str) -> None:
        """Push a unique placeholder onto the tag, then delete it by digest."""
        with TestRegistry(tag_delete=answer) as registry, Client(registry.host) as client:
            before = fill(registry)
            manifests = dict(registry.manifests(APP))
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)
            assert registry.manifests(APP) == manifests

    def test_the_last_tag_of_a_digest_leaves_the_manifest(self, answer: str) -> None:
        """Law: nothing is deleted beside what was asked."""
        with TestRegistry(tag_delete=answer) as registry, Client(registry.host) as client:
            before = fill(registry)
            delete_tag(client.store(), Tag("kept"))
            assert before["kept"] in registry.manifests(APP)
            assert "kept" not in registry.tags(APP)

    def test_deleting_is_proved_before_the_tag_is_touched(self, answer: str) -> None:
        """Prove first that deleting works, by a manifest without a tag."""
        with TestRegistry(tag_delete=answer) as registry, Client(registry.host) as client:
            fill(registry)
            delete_tag(client.store(), Tag("old"))
            log = [(entry.method, entry.path) for entry in registry.requests]
            onto_tag = log.index(("PUT", "/v2/team/app/manifests/old"))
            proof = next(
                number
                for number, (method, path) in enumerate(log)
                if method == "DELETE" and "sha256:" in path
            )
            assert proof < onto_tag
            assert log[onto_tag - 1] == ("HEAD", "/v2/team/app/manifests/old")

    def test_the_answer_is_remembered(self, answer: str) -> None:
        """Remember the answer per repository."""
        with TestRegistry(tag_delete=answer) as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "t0")
            for number in range(1, 5):
                registry.tag(APP, f"t{number}", digest)
            store = client.store()
            for number in range(5):
                delete_tag(store, Tag(f"t{number}"))
            assert registry.tags(APP) == {}
            proofs = [
                entry
                for entry in registry.asked("PUT", "/manifests/sha256:")
                if digest not in entry.path
            ]
            assert len(proofs) == 1

    @pytest.mark.parametrize("docker", [False, True])
    def test_the_small_manifest_is_of_the_same_family(self, answer: str, docker: bool) -> None:
        """It needs one layer (Quay) and must match the family of what it replaces."""
        with (
            TestRegistry(tag_delete=answer, needs_layer=True) as registry,
            Client(registry.host) as client,
        ):
            fill(registry, docker=docker)
            seen: list[bytes] = []
            own = registry.content.repository(APP)
            registry.before(
                "DELETE",
                BY_DIGEST,
                lambda: seen.append(own.manifests[own.tags["old"]].raw),
                after=1,
            )
            delete_tag(client.store(), Tag("old"))
            [placeholder] = [json.loads(raw) for raw in seen]
            assert placeholder["mediaType"] == (DOCKER_MANIFEST if docker else OCI_MANIFEST)
            assert len(placeholder["layers"]) == 1

    def test_two_at_once_use_manifests_of_their_own(self, answer: str) -> None:
        """A unique placeholder: deleting a digest takes every tag on it."""
        with TestRegistry(tag_delete=answer) as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "keep")
            for number in range(16):
                registry.tag(APP, f"t{number}", digest)
            store = client.store()
            with ThreadPoolExecutor(8) as threads:
                list(
                    threads.map(partial(delete_tag, store), [f"t{number}" for number in range(16)])
                )
            assert registry.tags(APP) == {"keep": digest}

    def test_eventually_consistent(self, answer: str) -> None:
        """Read back after deleting."""
        with (
            TestRegistry(tag_delete=answer, stale_reads=3) as registry,
            Client(registry.host) as client,
        ):
            before = fill(registry)
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)


class TestMovedMeanwhile:
    """Between deciding and deleting a tag can move: it is left alone."""

    def test_before_the_small_manifest_is_put(self) -> None:
        """PITFALLS: between listing and deleting a tag can move: HEAD just before."""
        with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
            fill(registry)
            new = registry.put_image(APP, "", labels={"n": "new"})
            registry.before("DELETE", BY_DIGEST, lambda: registry.tag(APP, "old", new))
            with pytest.raises(DigestMismatch, match="moved"):
                delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP)["old"] == new

    def test_after_the_small_manifest_was_put(self) -> None:
        """PITFALLS: between listing and deleting a tag can move: HEAD just before."""
        with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
            fill(registry)
            new = registry.put_image(APP, "", labels={"n": "new"})
            registry.before("DELETE", BY_DIGEST, lambda: registry.tag(APP, "old", new), after=1)
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP)["old"] == new
            assert any("there again" in text for text in client.said("warn"))

    def test_gone_before_the_small_manifest_is_put(self) -> None:
        """PITFALLS: a listed tag may be gone."""
        with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
            before = fill(registry)
            own = registry.content.repository(APP)
            registry.before("DELETE", BY_DIGEST, lambda: own.delete_tag("old"))
            delete_tag(client.store(), Tag("old"))
            assert registry.tags(APP) == without_old(before)
            assert not registry.asked("PUT", "/manifests/old")


def test_an_index_keeps_its_children() -> None:
    """Children of an index are untagged but not unreferenced: they stay."""
    with TestRegistry(QUAY, auth="", tag_delete="unsupported") as registry:
        children = {"linux/amd64": make_image(), "linux/arm64": make_image(platform="linux/arm64")}
        index = registry.put_index(APP, "multi", children)
        registry.tag(APP, "same", index)
        manifests = dict(registry.manifests(APP))
        with Client(registry.host) as client:
            delete_tag(client.store(), Tag("multi"))
        assert registry.tags(APP) == {"same": index}
        assert registry.manifests(APP) == manifests


def test_a_writer_and_a_deleter_at_once() -> None:
    """Whatever the order, no other tag is lost and no tag is left on a placeholder."""
    with TestRegistry(DISTRIBUTION_2) as registry, Client(registry.host) as client:
        before = fill(registry)
        stop = threading.Event()
        images = [make_image(labels={"n": str(number)}) for number in range(5)]
        digests = {registry.put(APP, "", image) for image in images} | {before["old"]}

        def write() -> None:
            store = client.store()
            while not stop.is_set():
                for image in images:
                    store.put_manifest(Tag("old"), image.manifest)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(20):
                try:
                    delete_tag(client.store(), Tag("old"))
                except (DigestMismatch, NotFound, NotSupported):
                    continue
        finally:
            stop.set()
            writer.join()
        after = dict(registry.tags(APP))
        assert after.pop("old") in digests
        assert after == without_old(before)
