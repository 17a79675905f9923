"""Manifests and blobs as registries hand them out."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from support.clients import Client
from support.images import make_image
from support.registry import DOCKER_HUB, TestRegistry
from support.scripted import always, scripted
from support.tagged import delete_tag

from regbot.errors import (
    ConnectionFailed,
    DigestMismatch,
    Malformed,
    NotSupported,
    RegbotError,
    RegistryError,
    ServerFault,
    SizeMismatch,
    TooManyRequests,
)
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.manifest import DOCKER_SCHEMA1
from regbot.oci.tag import Tag

APP = "team/app"
BIG = bytes(range(256)) * 4096


class TestHead:
    def test_one_request_is_enough(self) -> None:
        """HEAD is free, GET of a manifest counts."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            head = client.store().head(Tag("v1"))
            assert str(head.digest) == digest
            assert [entry.method for entry in registry.requests] == ["HEAD"]

    @pytest.mark.parametrize(
        "switches",
        [{"digest_header": False}, {"digest_algorithm": "sha512"}, {"head_manifests": False}],
        ids=["no digest", "sha512", "no HEAD"],
    )
    @pytest.mark.parametrize("by_digest", [False, True])
    def test_what_is_left_out_is_computed(
        self, switches: dict[str, object], by_digest: bool
    ) -> None:
        """Digest header may be missing, or be of another algorithm; compute it."""
        with TestRegistry(**switches) as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            head = client.store().head(Digest.parse(digest) if by_digest else Tag("v1"))
            assert str(head.digest) == digest
            assert head.size == len(registry.manifests(APP)[digest])

    def test_disable_head(self) -> None:
        """``apiOpts.disableHead``: not a single HEAD."""
        with TestRegistry() as registry, Client(registry.host, disable_head=True) as client:
            image = make_image()
            registry.put(APP, "v1", image)
            store = client.store()
            assert store.head(Tag("v1")).digest == image.digest
            digest, content = next(iter(image.blobs.items()))
            assert store.blob_size(digest) == len(content)
            store.put_blob(lambda: [content], digest=digest, size=len(content))
            delete_tag(store, Tag("v1"))
            assert not registry.asked("HEAD")
            assert not registry.asked("POST")

    def test_a_wrong_digest_header_is_not_believed(self) -> None:
        """Every byte read is checked, and so is what a HEAD says of a digest."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            registry.break_next("wrong digest header", "HEAD", "/manifests/")
            assert str(client.store().head(Digest.parse(digest)).digest) == digest

    def test_rate_limit(self) -> None:
        """``ratelimit-limit: 100;w=21600``, ``ratelimit-remaining: 76;w=21600``."""
        with TestRegistry(rate_limit=100) as registry, Client(registry.host) as client:
            registry.put_image(APP, "v1")
            limit = client.store().manifest(Tag("v1")).rate_limit
            assert (limit.limit, limit.remaining, limit.policies) == (100, 99, ("100;w=21600",))
            assert client.store().head(Tag("v1")).rate_limit.known

    def test_no_rate_limit_said(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.put_image(APP, "v1")
            assert not client.store().manifest(Tag("v1")).rate_limit.known


class TestManifest:
    @pytest.mark.parametrize("by_digest", [False, True])
    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("html", Malformed),
            ("cut", RegbotError),
            ("truncate", ConnectionFailed),
            ("wrong content", DigestMismatch),
        ],
    )
    def test_bytes_that_are_not_right_are_refused(
        self, kind: str, error: type[RegbotError], by_digest: bool
    ) -> None:
        """HTML instead of JSON; a truncated body; a wrong digest."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            registry.break_next(kind, "GET", "/manifests/", times=100)
            with pytest.raises(error) as caught:
                client.store().manifest(Digest.parse(digest) if by_digest else Tag("v1"))
            assert "team/app" in str(caught.value)
            assert "\n" not in str(caught.value)

    def test_a_tag_whose_digest_header_lies(self) -> None:
        """PITFALLS: the digest header may be wrong: computed over the bytes."""
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.put_image(APP, "v1")
            registry.break_next("wrong digest header", "GET", "/manifests/")
            with pytest.raises(DigestMismatch):
                client.store().manifest(Tag("v1"))

    def test_a_body_that_breaks_off_once_is_read_again(self) -> None:
        """Law: every byte of content read is checked."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            registry.break_next("truncate", "GET", "/manifests/")
            assert str(client.store().manifest(Tag("v1")).digest) == digest

    def test_a_limit_on_its_size(self) -> None:
        """Limits on body sizes: blobLimit for manifests."""
        with TestRegistry() as registry, Client(registry.host, blob_limit=300) as client:
            registry.put_image(APP, "v1")
            with pytest.raises(SizeMismatch):
                client.store().manifest(Tag("v1"))

    def test_schema_1_is_readable_and_never_written(self) -> None:
        """Old docker schema 1 manifests exist: readable, never written."""
        raw = json.dumps({"schemaVersion": 1, "name": APP, "fsLayers": []}).encode()
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_raw(APP, "old", raw, DOCKER_SCHEMA1)
            manifest = client.store().manifest(Tag("old"))
            assert (manifest.raw, str(manifest.digest)) == (raw, digest)
            with pytest.raises(NotSupported, match="schema 1"):
                client.store().put_manifest(Tag("copy"), manifest)
            assert not registry.asked("PUT")

    def test_a_registry_that_stores_something_else(self) -> None:
        """Law: every byte of content is checked against its digest."""
        with TestRegistry(checks_references=False) as registry, Client(registry.host) as client:
            registry.break_next("wrong digest header", "PUT", "/manifests/")
            with pytest.raises(DigestMismatch):
                client.store().put_manifest(Tag("v1"), make_image().manifest)

    def test_too_many_requests(self) -> None:
        """Docker Hub: GET of a manifest counts; 429 at the end."""
        with TestRegistry(rate_limit=1) as registry, Client(registry.host) as client:
            registry.put_image(APP, "v1")
            client.store().manifest(Tag("v1"))
            with pytest.raises(TooManyRequests):
                client.store().manifest(Tag("v1"))
            assert client.store().head(Tag("v1"))


class TestBlob:
    def read(self, client: Client, digest: str, size: int | None = None) -> bytes:
        return b"".join(client.store().blob(Digest.parse(digest), size))

    @pytest.mark.parametrize("ranges", [True, False])
    @pytest.mark.parametrize("redirect", [False, True])
    def test_a_broken_download_goes_on(self, ranges: bool, redirect: bool) -> None:
        """Resume a broken blob download with Range; digest and size always checked."""
        with TestRegistry(blob_ranges=ranges, blob_redirect=redirect) as registry:
            digest = registry.put_blob(APP, BIG)
            path = r"signature=" if redirect else "/blobs/"
            registry.break_next("truncate", "GET", path, times=3)
            with Client(registry.host) as client:
                assert self.read(client, digest, len(BIG)) == BIG
            asked = registry.asked("GET", digest, role="storage" if redirect else "registry")
            starts = [entry.headers.get("range", "") for entry in asked]
            assert starts[0] == ""
            assert starts[1].startswith("bytes=")
            assert len(starts) == 4

    def test_a_download_that_never_gets_on_ends(self) -> None:
        """A resumed download that gets nowhere ends in one clear error."""
        with TestRegistry(blob_ranges=False) as registry, Client(registry.host) as client:
            digest = registry.put_blob(APP, BIG)
            registry.break_next("truncate", "GET", "/blobs/", times=1000)
            with pytest.raises(ConnectionFailed, match="broke off"):
                self.read(client, digest)

    def test_a_server_error_in_the_middle_is_an_error(self) -> None:
        """Law: a 5xx in the middle is an error."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_blob(APP, BIG)
            registry.break_next("truncate", "GET", "/blobs/")
            registry.break_next("status", "GET", "/blobs/", after=1, times=1000, status=500)
            with pytest.raises(ServerFault):
                self.read(client, digest)

    def test_another_range_than_asked_for(self, requests_mock) -> None:
        """Resuming with Range: an answer for another range is not taken."""
        content = b"0123456789"
        url = f"http://odd.test/v2/team/app/blobs/{Digest.of(content)}"
        answers = [
            {"content": content[:5], "headers": {"Content-Length": "10"}},
            {
                "content": content[3:],
                "status_code": 206,
                "headers": {"Content-Range": "bytes 3-9/10"},
            },
        ]
        requests_mock.get(url, answers)
        with Client("odd.test") as client, pytest.raises(Malformed, match="byte 5"):
            self.read(client, str(Digest.of(content)))

    def test_redirects_to_storage_go_without_authorization(self) -> None:
        """Blob GET is often a redirect to a storage host: no Authorization there."""
        users = {"joe": "secret"}
        with TestRegistry(DOCKER_HUB, users=users, anonymous_pull=False) as registry:
            digest = registry.put_blob(APP, b"stored elsewhere")
            with Client(registry.host, login=Login("joe", Secret("secret"))) as client:
                assert self.read(client, digest) == b"stored elsewhere"
            [stored] = registry.asked("GET", role="storage")
            assert "authorization" not in stored.headers

    def test_memory_stays_the_same_whatever_the_size(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            digest = registry.put_blob(APP, bytes(32 * 1024 * 1024))
            tracemalloc.start()
            try:
                for _ in client.store().blob(Digest.parse(digest)):
                    pass
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 4 * 1024 * 1024


def test_a_manifest_that_a_mirror_could_have_is_asked_of_the_registry_for_deleting() -> None:
    """Writes never go to mirrors, nor what is read to decide on one."""
    with TestRegistry() as registry, TestRegistry() as mirror:
        registry.put_image(APP, "v1", labels={"from": "registry"})
        registry.put_image(APP, "v2")
        mirror.put_image(APP, "v1", labels={"from": "mirror"})
        more = (HostSettings(mirror.host, tls="disabled"),)
        with Client(registry.host, more=more, mirrors=(mirror.host,)) as c:
            assert str(c.store().head(Tag("v1")).digest) == mirror.tags(APP)["v1"]
            assert str(c.store(mirrors=False).head(Tag("v1")).digest) == registry.tags(APP)["v1"]
            assert c.store().tags() == ["v1", "v2"]
            mirror.forget()
            delete_tag(c.store(mirrors=False), Tag("v1"))
            assert mirror.requests == []
        assert sorted(registry.tags(APP)) == ["v2"]
        assert sorted(mirror.tags(APP)) == ["v1"]


def test_a_page_in_place_of_an_answer_to_a_put_is_an_error():
    """A proxy, or a page to log in at, answers 200 to everything."""
    page = b"<html><head><title>Log in</title></head></html>"
    with (
        scripted(always(body=page, Content_Type="text/html; charset=utf-8")) as server,
        Client(server.host) as client,
        pytest.raises(RegistryError, match="not a registry's answer: Log in"),
    ):
        client.store().put_manifest(Tag("v1"), make_image().manifest)
