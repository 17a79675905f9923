"""Blobs on their way up: PITFALLS, "Tokens and limits"; the FAQ's words on blobChunk."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator, Mapping

import pytest
from support.clients import Client
from support.registry import HARBOR, TestRegistry
from support.registry.calls import Call, Reply

from regbot.errors import (
    ConnectionFailed,
    DigestMismatch,
    Forbidden,
    Malformed,
    RegistryError,
    ServerFault,
    Stopped,
)
from regbot.http.hosts import Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.stopping import Stop

APP = "team/app"
CONTENT = bytes(range(256)) * 40
DIGEST = Digest.of(CONTENT)
SESSION = "/blobs/uploads/."


def pieces(content: bytes = CONTENT, size: int = 700) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def put(client: Client, content: bytes = CONTENT) -> None:
    client.store().put_blob(lambda: pieces(content), digest=Digest.of(content), size=len(content))


def stored_alone(registry: TestRegistry, content: bytes = CONTENT) -> bool:
    """Whether the content is there, and no session is left open."""
    there = registry.blobs(APP).get(str(Digest.of(content))) == content
    return there and not registry.uploads(APP)


class TestSinglePut:
    def test_three_requests(self) -> None:
        """Single put: HEAD, POST, PUT."""
        with TestRegistry() as registry, Client(registry.host) as client:
            put(client)
            assert stored_alone(registry)
            assert [entry.method for entry in registry.requests] == ["HEAD", "POST", "PUT"]

    def test_nothing_is_sent_that_is_there(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.put_blob(APP, CONTENT)

            def nobody_reads() -> Iterator[bytes]:
                raise AssertionError("the content was read")

            client.store().put_blob(nobody_reads, digest=DIGEST, size=len(CONTENT))
            assert [entry.method for entry in registry.requests] == ["HEAD"]

    def test_an_empty_blob(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            put(client, b"")
            assert stored_alone(registry, b"")

    @pytest.mark.parametrize("location", ["relative", "absolute"])
    @pytest.mark.parametrize("chunk", [None, 1000])
    def test_location_in_every_form(self, location: str, chunk: int | None) -> None:
        """Upload Location may be relative, carry a query, change on each step."""
        settings = {"blob_chunk": chunk, "blob_max": 1} if chunk else {}
        with (
            TestRegistry(HARBOR, auth="", location=location) as registry,
            Client(registry.host, **settings) as client,
        ):
            put(client)
            assert stored_alone(registry)
            assert "state=" in registry.asked("PUT")[-1].path

    def test_no_location_at_all(self, requests_mock) -> None:
        """PITFALLS: upload ``Location`` takes many forms; none is an error."""
        requests_mock.head(f"http://odd.test/v2/team/app/blobs/{DIGEST}", status_code=404)
        requests_mock.post("http://odd.test/v2/team/app/blobs/uploads/", status_code=202)
        with Client("odd.test") as client, pytest.raises(Malformed, match="no Location"):
            put(client)

    @pytest.mark.parametrize("minus_one", [False, True])
    def test_minus_one_is_always_one_put(self, minus_one: bool) -> None:
        """``blobMax: -1`` = always one put."""
        settings = {"blob_max": -1 if minus_one else 100}
        with TestRegistry() as registry, Client(registry.host, **settings) as client:
            put(client)
            assert stored_alone(registry)
            assert bool(registry.asked("PATCH")) is not minus_one

    def test_an_answer_that_got_lost(self) -> None:
        """A put whose answer got lost is done: the blob is there."""
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.break_next("lost answer", "PUT", SESSION)
            put(client)
            assert stored_alone(registry)
            assert len(registry.asked("PUT")) == 1

    def test_content_that_does_not_fit_is_not_sent_whole(self) -> None:
        """Law: every byte of content is checked."""
        with TestRegistry() as registry, Client(registry.host) as client:
            with pytest.raises(DigestMismatch):
                client.store().put_blob(
                    lambda: pieces(bytes(len(CONTENT))), digest=DIGEST, size=len(CONTENT)
                )
            assert not registry.blobs(APP)
            assert not registry.uploads(APP)


class TestFallingBackToChunks:
    @pytest.mark.parametrize(
        "switches", [{"single_put": False}, {"chunk_maximum": 5000}], ids=["400", "413"]
    )
    def test_a_refused_single_put(self, switches: dict[str, object]) -> None:
        """A failed single PUT falls back to chunks."""
        with (
            TestRegistry(**switches) as registry,
            Client(registry.host, blob_chunk=4000) as client,
        ):
            put(client)
            assert stored_alone(registry)
            assert len(registry.asked("PATCH")) == 3

    @pytest.mark.parametrize("kind", ["drop", "half chunk", "status"])
    def test_a_broken_single_put(self, kind: str) -> None:
        """PITFALLS: a failed single PUT falls back to chunks."""
        with TestRegistry() as registry, Client(registry.host, blob_chunk=4000) as client:
            registry.break_next(kind, "PUT", SESSION, status=500)
            put(client)
            assert stored_alone(registry)

    def test_no_permission_is_final(self) -> None:
        """PITFALLS: stop at once when credentials are refused."""
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.break_next("status", "PUT", SESSION, times=9, status=403, code="DENIED")
            with pytest.raises(Forbidden):
                put(client)
            assert not registry.asked("PATCH")
            assert not registry.uploads(APP)

    def test_a_refused_digest_is_final(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.break_next("status", "PUT", SESSION, status=400, code="DIGEST_INVALID")
            with pytest.raises(RegistryError, match="DIGEST_INVALID"):
                put(client)
            assert not registry.asked("PATCH")
            assert not registry.uploads(APP)


SMALL_CHUNKS: Mapping[str, int] = {"blob_chunk": 1000, "blob_max": 1}


class TestChunks:
    def test_of_the_size_asked_for(self) -> None:
        """Config: ``blobChunk``."""
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            put(client)
            assert stored_alone(registry)
            sizes = [entry.size for entry in registry.asked("PATCH")]
            assert sizes == [1000] * 10 + [240]
            ranges = [entry.headers["content-range"] for entry in registry.asked("PATCH")]
            assert ranges[:2] == ["0-999", "1000-1999"]

    def test_of_the_size_the_registry_needs(self) -> None:
        """``OCI-Chunk-Min-Length``."""
        with (
            TestRegistry(chunk_minimum=3000) as registry,
            Client(registry.host, **SMALL_CHUNKS) as client,
        ):
            put(client)
            assert stored_alone(registry)
            assert [entry.size for entry in registry.asked("PATCH")] == [3000] * 3 + [1240]

    def test_a_single_byte(self) -> None:
        with TestRegistry() as registry, Client(registry.host, blob_max=0) as client:
            put(client, b"x")
            assert stored_alone(registry, b"x")

    @pytest.mark.parametrize("kind", ["drop", "half chunk", "lost answer", "status"])
    @pytest.mark.parametrize("after", [0, 3, 10])
    @pytest.mark.parametrize("changing", [False, True])
    def test_resume_after_a_failed_chunk(self, kind: str, after: int, changing: bool) -> None:
        """Resume after a failed chunk: what the registry has is not sent again."""
        with (
            TestRegistry(changing_location=changing) as registry,
            Client(registry.host, **SMALL_CHUNKS) as client,
        ):
            registry.break_next(kind, "PATCH", after=after, status=502)
            put(client)
            assert stored_alone(registry)
            assert sum(entry.size for entry in registry.asked("PATCH")) <= len(CONTENT) + 1000

    def test_many_failures_on_the_way(self) -> None:
        """Resume after a failed chunk."""
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            for after in (0, 2, 3, 6, 9, 12):
                registry.break_next("half chunk", "PATCH", after=after)
            put(client)
            assert stored_alone(registry)

    def test_a_session_that_is_lost_begins_anew(self) -> None:
        """PITFALLS: upload ``Location`` changes, and a session may be lost."""
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            uploads = registry.content.repository(APP).uploads
            registry.break_next("drop", "PATCH", after=4)
            registry.before("GET", SESSION, uploads.clear)
            put(client)
            assert stored_alone(registry)

    def test_a_registry_that_never_gets_on(self) -> None:
        """A failure that stays ends in one clear error, and no session is left."""
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            registry.break_next("drop", "PATCH", after=2, times=1000)
            with pytest.raises(ConnectionFailed):
                put(client)
            assert not registry.uploads(APP)
            assert not registry.blobs(APP)

    def test_the_last_answer_got_lost(self) -> None:
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            registry.break_next("lost answer", "PUT", SESSION)
            put(client)
            assert stored_alone(registry)

    def test_the_end_fails(self) -> None:
        with TestRegistry() as registry, Client(registry.host, **SMALL_CHUNKS) as client:
            registry.break_next("status", "PUT", SESSION, times=100, status=500)
            with pytest.raises(ServerFault):
                put(client)
            assert not registry.uploads(APP)

    def test_a_stop_leaves_no_blob_and_no_session(self) -> None:
        """Law: SIGTERM and Ctrl-C end any run."""
        stop = Stop()
        with (
            TestRegistry() as registry,
            Client(registry.host, stop=stop, **SMALL_CHUNKS) as client,
        ):
            registry.before("PATCH", "", stop.ask, after=2)
            with pytest.raises(Stopped):
                put(client)
            assert not registry.blobs(APP)
            assert not registry.uploads(APP)

    def test_memory_stays_the_same_whatever_the_size(self) -> None:
        """Only one chunk is held in memory."""
        size, block = 48 * 1024 * 1024, bytes(64 * 1024)
        hasher = hashlib.sha256()
        for _ in range(size // len(block)):
            hasher.update(block)
        digest = Digest("sha256", hasher.hexdigest())

        def content() -> Iterator[bytes]:
            for _ in range(size // len(block)):
                yield block

        with Sink() as sink, Client(sink.host, blob_chunk=1024 * 1024, blob_max=1) as client:
            tracemalloc.start()
            try:
                client.store().put_blob(content, digest=digest, size=size)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert sink.received == size
            assert peak < 8 * 1024 * 1024


class Sink(TestRegistry):
    """A registry that counts what comes up and forgets it."""

    received = 0

    def serve(self, call: Call) -> tuple[Call, Reply]:
        if call.method == "PATCH":
            self.received += len(call.body)
            location = call.path
            return call, Reply(202, {"Location": location, "Range": f"0-{self.received - 1}"})
        if call.method == "PUT":
            return call, Reply(201, {})
        return super().serve(call)


class TestMount:
    def other(self, registry: TestRegistry) -> Reference:
        return Reference("registry", registry.host, "team/other")

    def test_done_without_moving_bytes(self) -> None:
        """A mount may answer 201."""
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.put_blob("team/other", CONTENT)
            assert client.store().mount_blob(DIGEST, self.other(registry)) is True
            assert stored_alone(registry)
            assert len(registry.requests) == 1

    @pytest.mark.parametrize("there", [False, True])
    def test_not_done(self, there: bool) -> None:
        """A mount may answer 202: then nothing is left half-done."""
        with TestRegistry(mounts=False) as registry, Client(registry.host) as client:
            if there:
                registry.put_blob("team/other", CONTENT)
            assert client.store().mount_blob(DIGEST, self.other(registry)) is False
            assert not registry.uploads(APP)
            assert not registry.blobs(APP)

    def test_from_another_host_nothing_is_asked(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            source = Reference("registry", "elsewhere.test", "team/other")
            assert client.store().mount_blob(DIGEST, source) is False
            assert registry.requests == []

    @pytest.mark.parametrize("status", [400, 403, 404, 405])
    def test_refused(self, status: int) -> None:
        """PITFALLS: a mount that is refused means to do the upload."""
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.break_next("status", "POST", status=status, times=9)
            assert client.store().mount_blob(DIGEST, self.other(registry)) is False

    def test_a_server_error_is_an_error(self) -> None:
        with TestRegistry() as registry, Client(registry.host) as client:
            registry.break_next("status", "POST", status=500, times=9)
            with pytest.raises(ServerFault):
                client.store().mount_blob(DIGEST, self.other(registry))

    def test_the_token_allows_to_pull_from_the_source(self) -> None:
        """Scopes per request: a mount needs to pull from its source."""
        with TestRegistry(auth="bearer", users={"joe": "secret"}) as registry:
            registry.put_blob("team/other", CONTENT)
            with Client(registry.host, login=Login("joe", Secret("secret"))) as client:
                assert client.store().mount_blob(DIGEST, self.other(registry)) is True
            asked = registry.asked("GET", "/token")[-1].path
            assert "team%2Fother%3Apull" in asked or "team/other:pull" in asked
