"""What taking a tag away by way of a placeholder asks of a registry, and in which order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from support.clients import Client
from support.images import make_image
from support.registry import DISTRIBUTION_2, TestRegistry
from support.tagged import APP

from regbot.errors import DigestMismatch
from regbot.oci.tag import Tag
from regbot.store.remote import RemoteStore

UPLOAD = "/blobs/uploads/"


@pytest.fixture
def registry() -> Iterator[TestRegistry]:
    """Three tags of images of their own, of which the first was deleted already."""
    with TestRegistry(DISTRIBUTION_2) as registry:
        for number in range(3):
            registry.put_image(APP, f"t{number}", labels={"n": str(number)})
        yield registry


@pytest.fixture
def store(registry: TestRegistry) -> Iterator[RemoteStore]:
    with Client(registry.host) as client:
        store = client.store(mirrors=False)
        delete(store, "t0")
        registry.forget()
        yield store


def delete(store: RemoteStore, tag: str) -> None:
    """Look at a tag and delete it, as the door does."""
    store.delete_tag(Tag(tag), store.manifest(Tag(tag)).digest)


def asked(registry: TestRegistry) -> list[str]:
    """The requests so far, names of content left out."""
    return [
        f"{entry.method} {entry.path.partition('/app/')[2].partition('sha256:')[0]}".partition("?")[
            0
        ]
        for entry in registry.requests
    ]


def test_six_round_trips_after_the_first_tag(registry: TestRegistry, store: RemoteStore) -> None:
    came = threading.Event()
    together: list[bool] = []
    registry.before("POST", UPLOAD, came.set)
    registry.before("PUT", "/manifests/sha256:", lambda: together.append(came.wait(60)))
    with patch("regbot.store.placeholder_delete.LOOK_HOLDS", 60.0):  # on a slow machine too
        delete(store, "t1")
    requests = asked(registry)
    assert requests[0] == "GET manifests/t1"
    assert sorted(entry.partition("uploads/")[0] for entry in requests[1:4]) == [
        "POST blobs/",
        "PUT blobs/",
        "PUT manifests/",
    ]
    assert together == [True]
    assert requests[4:] == ["PUT manifests/t1", "DELETE manifests/", "HEAD manifests/t1"]
    assert set(registry.tags(APP)) == {"t2"}


def test_a_look_that_is_not_fresh_is_repeated(registry: TestRegistry, store: RemoteStore) -> None:
    """PITFALLS: HEAD just before."""
    registry.break_next("stall", "POST", UPLOAD, seconds=0.3)
    delete(store, "t1")
    requests = asked(registry)
    assert requests[requests.index("PUT manifests/t1") - 1] == "HEAD manifests/t1"


def test_a_tag_that_moves_meanwhile_is_left(registry: TestRegistry, store: RemoteStore) -> None:
    new = str(registry.put(APP, "", make_image(labels={"n": "new"})))

    def move() -> None:
        registry.tag(APP, "t1", new)
        time.sleep(0.3)

    registry.before("POST", UPLOAD, move)
    with pytest.raises(DigestMismatch, match="moved"):
        delete(store, "t1")
    assert registry.tags(APP)["t1"] == new
    assert not registry.asked("PUT", "/manifests/t1")
