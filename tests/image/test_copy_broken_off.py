"""Whatever ends a copy, no tag leads to something missing, and a second copy finishes it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from support.clients import Client
from support.images import make_image, make_index, make_layer, make_referrer, push
from support.pairs import broken_tags, layout, side, whole
from support.registry import DISTRIBUTION_3, TestRegistry

from regbot.errors import RegbotError
from regbot.image.copy import copy_image
from regbot.image.crew import Crew
from regbot.image.options import CopyOptions
from regbot.image.transfer import Transfer
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.stopping import Stop

ALL = CopyOptions(referrers=True, digest_tags=True, workers=2)
FOR_EVER = 10_000


def fill(store):
    """A small image of every kind of part."""
    index = make_index(
        {
            "linux/amd64": make_image(layers=[make_layer("amd")]),
            "linux/arm64": make_image(platform="linux/arm64", layers=[make_layer("arm")]),
        }
    )
    push(store, index, "v1")
    push(store, make_referrer(index.manifest))
    push(store, make_image(labels={"a": "signature"}), f"{fallback_tag(index.digest)}.sig")
    return index


def copy(source, target, options=ALL):
    return copy_image(source, Tag("v1"), target, Tag("v1"), options, stop=Stop())


def requests_of_a_copy():
    with side(DISTRIBUTION_3) as here, side(DISTRIBUTION_3) as there:
        fill(here.store())
        here.registry.forget()
        copy(here.store(), there.store())
        return len(here.registry.requests), len(there.registry.requests)


def sound_and_finished_by_a_second_try(source, target, index):
    assert broken_tags(target) == []
    copy(source, target)
    assert whole(target, "v1") == whole(source, "v1")
    assert target.head(Tag("v1")).digest == index.digest
    assert len(target.referrers(index.digest)) == 1
    assert f"{fallback_tag(index.digest)}.sig" in target.tags()


@contextmanager
def failing(registry, repository, **how):
    """Requests of one repository fail from some request on, until the end of the block."""
    registry.break_next(path=f"/v2/{repository}/", times=FOR_EVER, **how)
    with Client(registry.host) as client:
        yield client.store(repository, mirrors=False)
    registry.faults._planned.clear()


@pytest.mark.parametrize(
    "how", [{"status": 403, "code": "DENIED"}, {"kind": "lost answer"}], ids=str
)
def test_a_target_that_fails_from_any_request_on(how):
    _, count = requests_of_a_copy()
    assert count > 30
    with side(DISTRIBUTION_3) as here, side(DISTRIBUTION_3) as there:
        index = fill(here.store())
        for after in range(count):
            repository = f"team/copy{after}"
            broken = failing(there.registry, repository, after=after, **how)
            with broken as target, pytest.raises(RegbotError):
                copy(here.store(), target)
            sound_and_finished_by_a_second_try(here.store(), there.store(repository), index)


def test_a_source_that_fails_from_any_request_on(tmp_path):
    count, _ = requests_of_a_copy()
    assert count > 15
    with side(DISTRIBUTION_3) as here, side(DISTRIBUTION_3) as there:
        index = fill(here.store())
        for after in range(count):
            for target in (there.store(f"team/copy{after}"), layout(tmp_path / str(after))):
                broken = failing(here.registry, "team/app", after=after, status=403, code="DENIED")
                with broken as source, pytest.raises(RegbotError):
                    copy(source, target)
                sound_and_finished_by_a_second_try(here.store(), target, index)


@pytest.mark.parametrize("seed", range(5))
def test_a_registry_that_fails_now_and_then_is_copied_all_the_same(seed):
    with (
        TestRegistry(DISTRIBUTION_3) as here,
        TestRegistry(DISTRIBUTION_3, chaos=0.05, seed=seed) as there,
        Client(here.host) as source,
        Client(there.host) as target,
    ):
        fill(source.store())
        for _ in range(20):
            try:
                copy(source.store(), target.store())
                break
            except RegbotError:
                continue
        there.faults._chaos = 0.0
        assert whole(target.store(), "v1") == whole(source.store(), "v1")


class Slow:
    """A source whose one blob waits for another's failure, in the middle of its bytes."""

    def __init__(self, store, slow: Digest, begun: threading.Event, may_go_on: threading.Event):
        self._store = store
        self._slow = slow
        self._begun = begun
        self._may_go_on = may_go_on
        self.repository = Reference.parse("registry.example.org/team/app")
        self.asked: list[Digest] = []

    def blob(self, digest, size=None):
        self.asked.append(digest)
        if digest != self._slow:
            self._begun.wait(20)
            raise RegbotError("the disk of the source is on fire")
        return self._in_two_pieces(digest, size)

    def _in_two_pieces(self, digest, size):
        content = b"".join(self._store.blob(digest, size))
        yield content[:1]
        self._begun.set()
        self._may_go_on.wait(20)
        yield content[1:]


def test_the_first_error_ends_what_is_under_way_and_begins_nothing_new(tmp_path):
    origin, target = layout(tmp_path / "a"), layout(tmp_path / "b")
    contents = [make_layer(str(number)) for number in range(6)]
    image = make_image(layers=contents)
    push(origin, image, "v1")
    slow, bad, *others = [
        Descriptor("", layer.digest, layer.size) for layer in image.manifest.layers
    ]
    failed = threading.Event()
    source = Slow(origin, slow.digest, threading.Event(), failed)
    crew = Crew(2, Stop())
    transfer = Transfer(source, target, crew)

    def watched(blob):
        try:
            transfer.copy(blob)
        except RegbotError:
            if blob is bad:
                crew._fail(RegbotError("the disk of the source is on fire"))
                failed.set()
            raise

    with pytest.raises(RegbotError, match="on fire"):
        crew.run(watched, [slow, bad, *others])
    assert set(source.asked) == {slow.digest, bad.digest}
    assert not list((tmp_path / "b").glob("blobs/sha256/*"))
