"""Law 11 on the wire: what belongs to an attempt that has ended leaves the process no more.

A process is suspended right before one of its looks at its lease, or right after one, which
is the gap that no look closes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.clients import Client
from support.httpclient import OK, plain, pull, web
from support.leases import UNTIL, Lease
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, GITLAB, Quirks, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import AttemptEnded, RegbotError
from regbot.http.cutting import Timeouts
from regbot.http.hosts import Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.stopping import Attempt, Stop

APP = "team/app"
PATIENT = Timeouts(connect=600.0, read=600.0)
MOMENTS = 40
"""At how many looks the process is suspended, spread over all of them."""


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> Iterator[Callable[[object], None]]:
    """Call something before each piece that is sent to one of the hosts."""
    ports = {int(host.rpartition(":")[2]) for host in hosts}
    listeners: list[Callable[[], None]] = []
    sendall = socket.socket.sendall

    def spy(connection: socket.socket, data: object, *flags: int) -> None:
        if connection.getpeername()[1] in ports:
            for listener in listeners:
                listener()
        sendall(connection, data, *flags)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "sendall", spy)
        yield listeners.append  # type: ignore[misc]


def delete_by_name(client: Client) -> None:
    client.store(APP).delete_tag(Tag("old"), digest_of(client, "old"))


def digest_of(client: Client, tag: str) -> Digest:
    return client.store(APP).head(Tag(tag)).digest


def upload_in_chunks(client: Client) -> None:
    content = bytes(range(256)) * 40
    client.store(APP).upload(lambda: [content], digest=Digest.of(content), size=len(content))


def put_index(client: Client) -> None:
    store = client.store(APP)
    store.put_manifest(Tag("copy"), store.manifest(Tag("old")))


WORK: dict[str, tuple[Quirks, dict[str, object], Callable[[Client], None]]] = {
    "delete by name": (DISTRIBUTION_3, {}, delete_by_name),
    "delete by a placeholder": (DISTRIBUTION_2, {}, delete_by_name),
    "login and a token server": (GITLAB, {}, delete_by_name),
    "chunked upload": (DISTRIBUTION_3, {"blob_max": 1, "blob_chunk": 1000}, upload_in_chunks),
    "put": (DISTRIBUTION_3, {}, put_index),
}


@pytest.mark.parametrize(("quirks", "settings", "work"), WORK.values(), ids=WORK)
@pytest.mark.parametrize("breaks", [False, True], ids=["smooth", "with retries"])
def test_wherever_the_process_is_suspended_nothing_is_sent_afterwards(
    monkeypatch: pytest.MonkeyPatch,
    quirks: Quirks,
    settings: dict[str, object],
    work: Callable[[Client], None],
    *,
    breaks: bool,
) -> None:
    """Law: an attempt that has ended changes nothing any more."""
    login = {"login": Login("joe", Secret("geheim"))} if quirks.auth else {}

    def suspended(before: int) -> Lease:
        lease = Lease(before)
        with (
            TestRegistry(quirks, users={"joe": "geheim"}) as registry,
            Client(registry.host, stop=lease.stop(), **settings, **login) as client,
            watched(monkeypatch, registry.host, registry.address("token")) as listen,
        ):
            registry.put_image(APP, "old")
            registry.put_image(APP, "new", labels={"n": "2"})
            listen(lease.acts)
            if breaks:
                registry.break_next("status", "PUT", "/manifests/", status=503)
                for method in ("DELETE", "PATCH", "POST"):
                    registry.break_next("status", method, status=503)
            try:
                work(client)
            except RegbotError:
                if not lease.is_over:
                    raise
        return lease

    looks = suspended(0).looks
    for before in range(1, looks + 1, 1 + looks // MOMENTS):
        lease = suspended(before)
        assert not lease.late, f"sent after the lease, suspended before look {before} of {looks}"


def test_what_is_suspended_in_the_gap_sends_one_piece_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look and a call of the system are two things: what is between them is let through."""
    lease, pieces = Lease(), 0

    def suspend() -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 3:
            lease.pause()

    content = bytes(1_000_000)
    with (
        TestRegistry() as registry,
        Client(registry.host, stop=lease.stop()) as client,
        watched(monkeypatch, registry.host) as listen,
    ):
        listen(suspend)
        with pytest.raises(AttemptEnded):
            client.store(APP).upload(
                lambda: [content], digest=Digest.of(content), size=len(content)
            )
        assert pieces == 3
        assert registry.blobs(APP) == {}


def test_a_redirect_is_not_followed_afterwards() -> None:
    lease = Lease()

    def answer(asked: Asked) -> Said:
        lease.pause()
        return Said(307, {"Location": f"{asked.path}/there"})

    with (
        scripted(answer) as server,
        web(plain(server.host), stop=lease.stop()) as own,
        pytest.raises(AttemptEnded),
    ):
        own.send(server.host, "/v2/app/manifests/old", "DELETE")
    assert len(server.asked) == 1


def test_not_even_what_was_taken_is_put_back() -> None:
    """A newer attempt may have come to the tag in the meantime."""
    lease = Lease()

    def answer(_asked: Asked) -> Said:
        lease.pause()
        return Said(503)

    with (
        scripted(answer) as server,
        web(plain(server.host), stop=lease.stop().to_finish(60.0, 0.9)) as own,
        pytest.raises(AttemptEnded),
    ):
        own.send(server.host, "/v2/app/manifests/v1", "PUT", urgent=True, body=b"{}")
    assert len(server.asked) == 1


def test_a_tag_on_a_placeholder_is_told_and_the_next_attempt_takes_it_away() -> None:
    with TestRegistry(DISTRIBUTION_2) as registry:
        registry.put_image(APP, "old")
        original = Digest.parse(registry.put_image(APP, "other", labels={"n": "2"}))
        lease = Lease()
        with Client(registry.host, stop=lease.stop()) as client:
            store = client.store(APP)
            registry.before("PUT", "/manifests/other", lease.pause)
            with pytest.raises(AttemptEnded, match="may be left on the placeholder"):
                store.delete_tag(Tag("other"), original)
        assert registry.tags(APP)["other"] != str(original)


@pytest.mark.parametrize("words", [None, b"half"], ids=["no answer", "half a body"])
def test_what_is_in_flight_is_cut_when_the_attempt_ends(words: bytes | None) -> None:
    attempt = Attempt("clean@team/app", 1, lambda: UNTIL, lambda: 0.0)
    stop = Stop().for_attempt(attempt)
    asked, ended = threading.Event(), threading.Event()

    def answer(_asked: Asked) -> Said:
        asked.set()
        assert ended.wait(30)
        return Said(200)

    with (
        scripted(answer) as server,
        web(plain(server.host), stop=stop, timeouts=PATIENT) as own,
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(own.get, server.host, "/v2/")
        assert asked.wait(60)
        attempt.end("a newer one runs")
        try:
            with pytest.raises(AttemptEnded, match="a newer one runs"):
                call.result(60)
        finally:
            ended.set()


def test_a_request_goes_on_while_its_lease_is_renewed() -> None:
    """The answer may come later than the lease would have ended by what was known at first."""
    lease = Lease()

    def answer(_asked: Asked) -> Said:
        lease.until += 10 * UNTIL
        lease.pause()
        return Said(200)

    with scripted(answer) as server, web(plain(server.host), stop=lease.stop()) as own:
        own.send(server.host, "/v2/", expect=OK).close()


def test_who_waits_for_a_slot_ends_too() -> None:
    lease = Lease()
    with (
        scripted(lambda _: Said(200)) as server,
        web(plain(server.host, concurrency=1), stop=lease.stop()) as own,
        own.send(server.host, "/v2/", scopes=pull(APP)),
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(own.get, server.host, "/v2/")
        lease.pause()
        with pytest.raises(AttemptEnded):
            call.result(60)
