"""A registry that breaks at random, asked by many threads."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from support.clients import Client
from support.images import Image, make_image
from support.registry import TestRegistry
from support.tagged import delete_tag

from regbot.errors import NotConfirmed, RegbotError, RequestError
from regbot.events import Event
from regbot.http.cutting import Timeouts
from regbot.http.hosts import Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.remote import RemoteStore

APP = "team/app"
OPERATIONS = 2000
THREADS = 16
SECRET = "open-sesame-4711"


def test_every_operation_ends_right_or_with_one_clear_error() -> None:
    """Drops, stalls, truncation, 429, 500, 503, tokens that end early: never wrong content."""
    login = {"login": Login("joe", Secret(SECRET))}
    with (
        TestRegistry(
            auth="bearer",
            users={"joe": SECRET},
            short_token_uses=40,
            page_size=20,
            chaos=0.08,
            seed=7,
        ) as registry,
        Client(registry.host, blob_chunk=3000, timeouts=Timeouts(read=0.5), **login) as client,
    ):
        work = Work(registry, client.store())
        with ThreadPoolExecutor(THREADS) as threads:
            outcomes = list(threads.map(work.operate, range(OPERATIONS)))
        for tag, image in work.images.items():
            assert registry.tags(APP)[tag] == str(image.digest)
    assert registry.faults.count > OPERATIONS / 10
    errors = [outcome for outcome in outcomes if outcome is not None]
    assert len(errors) < OPERATIONS * 0.2
    for error in errors:
        assert isinstance(error, RequestError | NotConfirmed), repr(error)
        assert "\n" not in str(error)
        assert SECRET not in str(error)
    assert not _leaks(client.events, registry)


class Work:
    """Operations whose results can be told right from wrong."""

    def __init__(self, registry: TestRegistry, store: RemoteStore) -> None:
        self.registry = registry
        self.store = store
        self.images = {f"v{number}": make_image(labels={"n": str(number)}) for number in range(60)}
        for tag, image in self.images.items():
            registry.put(APP, tag, image)

    def operate(self, number: int) -> RegbotError | None:
        """Do the operation of that number; the error it ended with, if any."""
        ways = (self.manifest, self.head, self.tags, self.blob, self.upload, self.put_and_delete)
        tag = f"v{random.Random(number).randrange(60)}"
        try:
            ways[number % len(ways)](number, tag, self.images[tag])
        except RegbotError as error:
            return error
        return None

    def manifest(self, number: int, tag: str, image: Image) -> None:
        assert self.store.manifest(Tag(tag)).raw == image.manifest.raw

    def head(self, number: int, tag: str, image: Image) -> None:
        assert self.store.head(Tag(tag)).digest == image.digest

    def tags(self, number: int, tag: str, image: Image) -> None:
        assert set(self.images) <= set(self.store.tags())

    def blob(self, number: int, tag: str, image: Image) -> None:
        digest, content = next(iter(image.blobs.items()))
        assert b"".join(self.store.blob(digest)) == content

    def upload(self, number: int, tag: str, image: Image) -> None:
        content = bytes([number % 251]) * 10_000 + str(number).encode()
        digest = Digest.of(content)
        self.store.put_blob(lambda: [content], digest=digest, size=len(content))
        assert self.registry.blobs(APP)[str(digest)] == content

    def put_and_delete(self, number: int, tag: str, image: Image) -> None:
        own = f"w{number}"
        self.store.put_manifest(Tag(own), image.manifest)
        delete_tag(self.store, Tag(own))
        assert own not in self.registry.tags(APP)


def _leaks(events: list[Event], registry: TestRegistry) -> list[str]:
    """Events with the password or any token in them."""
    secrets = [SECRET, *registry.door.tokens]
    return [text for text in map(repr, events) if any(secret in text for secret in secrets)]
