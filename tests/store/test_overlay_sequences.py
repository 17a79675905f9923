"""Whatever is done, in whatever order: an overlay tells what the store itself would tell."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import tagged
from support.clients import Client
from support.images import Image, make_image, make_index, make_referrer, push
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Quirks, TestRegistry

from regbot.errors import InvalidValue, NotFound
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.ocidir import OciDirStore
from regbot.store.overlay import Overlay
from regbot.store.protocol import Store, read_blob

PLAIN = make_image()
DOCKER = make_image(docker=True)
CHILD = make_image(platform="linux/arm64")
INDEX = make_index({"linux/amd64": PLAIN, "linux/arm64": CHILD})
SIGNATURE = make_referrer(PLAIN.manifest, annotations={"by": "me"})
REPORT = make_referrer(PLAIN.manifest, artifact_type="application/vnd.example.sbom")
OF_INDEX = make_referrer(INDEX.manifest)
IMAGES = (PLAIN, DOCKER, CHILD, INDEX, SIGNATURE, REPORT, OF_INDEX)
ANCHOR = make_image(created="1999-01-01T00:00:00Z")
"""Never deleted: stores differ in whether a repository outlives its last manifest."""

TAGS = ("V2", "a", "b10", "b9", "z")
BLOB = b"neither layer nor config"
READS = ("GET", "HEAD")
TYPES = ("", "application/vnd.example.sbom", "application/vnd.example.none")

Step = Callable[[Store], object]


@dataclass(frozen=True)
class Named:
    """A step that hypothesis can print."""

    text: str
    run: Step

    def __repr__(self) -> str:
        return self.text


def put(image: Image, tag: str) -> Named:
    return Named(f"put #{IMAGES.index(image)} {tag}", lambda store: push(store, image, tag).digest)


def retag(old: str, new: str) -> Named:
    def run(store: Store) -> None:
        manifest = store.manifest(Tag(old))
        if all(_has(store, child.digest) for child in manifest.manifests):
            store.put_manifest(Tag(new), manifest)

    return Named(f"retag {old} {new}", run)


def _has(store: Store, name: Digest) -> bool:
    try:
        store.head(name)
    except NotFound:
        return False
    return True


def delete_tag(tag: str) -> Named:
    """An index whose children are gone is left: some registries would not take it back."""

    def run(store: Store) -> None:
        manifest = store.manifest(Tag(tag))
        if all(_has(store, child.digest) for child in manifest.manifests):
            tagged.delete_tag(store, tag)

    return Named(f"delete {tag}", run)


def delete(image: Image) -> Named:
    number = IMAGES.index(image)
    return Named(f"delete #{number}", lambda store: store.delete_manifest(image.digest))


def put_blob() -> Named:
    def run(store: Store) -> None:
        store.put_blob(lambda: [BLOB], digest=Digest.of(BLOB), size=len(BLOB))

    return Named("put blob", run)


def read_tag(tag: str) -> Named:
    return Named(f"read {tag}", lambda store: (store.head(Tag(tag)), store.manifest(Tag(tag))))


def page(limit: int, last: str) -> Named:
    """The first tags after a name; the tags that stand in for lists come after all others."""
    return Named(f"tags {limit} after {last!r}", lambda store: _own_tags(store, limit, last))


def _own_tags(store: Store, limit: int | None = None, last: str = "") -> list[Tag]:
    """Tags without those that lists of referrers are kept on."""
    listed = [tag for tag in store.tags(last=last) if not tag.startswith("sha256-")]
    if limit is None:
        return listed
    some, after = [], last
    while len(some) < limit and (page := store.tags(limit=limit, last=after)):
        assert len(page) <= limit
        assert page == sorted(page)
        some += [tag for tag in page if not tag.startswith("sha256-")]
        after = page[-1]
    assert some[:limit] == listed[:limit]
    return some[:limit]


images = st.sampled_from(IMAGES)
tags = st.sampled_from(TAGS)
changes = st.one_of(
    st.builds(put, images, st.sampled_from(("", *TAGS))),
    st.builds(retag, tags, tags),
    st.builds(delete_tag, tags),
    st.builds(delete, images),
    st.builds(put_blob),
)
reads = st.one_of(
    st.builds(read_tag, tags),
    st.builds(page, st.integers(1, 4), st.sampled_from(("", "W", "b", *TAGS))),
)


def told(step: Step, store: Store) -> object:
    """What a call gives back, or which error of the protocol it raises."""
    try:
        return step(store)
    except NotFound:
        return NotFound
    except InvalidValue:
        return InvalidValue


def everything(store: Store) -> dict[str, object]:
    """All that can be read, by what was asked."""
    names = [*map(Tag, TAGS), Tag("anchor"), *(image.digest for image in IMAGES)]
    return {
        "tags": _own_tags(store),
        **{f"head {name}": told(lambda s, n=name: s.head(n), store) for name in names},
        **{f"get {name}": told(lambda s, n=name: s.manifest(n), store) for name in names},
        **{
            f"referrers {image.digest} {kind}": [
                one.to_json() for one in store.referrers(image.digest, kind)
            ]
            for image in (PLAIN, INDEX)
            for kind in TYPES
        },
        **{
            f"blob {digest}": told(lambda s, d=digest: read_blob(s, d, limit=100_000), store)
            for digest in (Digest.of(BLOB), *PLAIN.blobs, *SIGNATURE.blobs)
        },
    }


@dataclass(frozen=True)
class Twins:
    """A store to change, another to plan over, and all that changes in the other one."""

    real: Store
    base: Store
    state: Callable[[], object]


MakeTwins = Callable[[], AbstractContextManager[Twins]]


@contextmanager
def in_a_registry(quirks: Quirks, **switches: object) -> Iterator[MakeTwins]:
    numbers = itertools.count()

    @contextmanager
    def twins() -> Iterator[Twins]:
        base = f"n{next(numbers)}/base"

        def state() -> object:
            writes = [one for one in registry.asked(part=f"/{base}/") if one.method not in READS]
            return registry.tags(base), registry.manifests(base), registry.blobs(base), writes

        yield Twins(client.store(base.replace("base", "real")), client.store(base), state)
        registry.forget()

    with TestRegistry(quirks, **switches) as registry, Client(registry.host) as client:
        yield twins


@contextmanager
def in_folders() -> Iterator[MakeTwins]:
    @contextmanager
    def twins() -> Iterator[Twins]:
        with TemporaryDirectory() as folder:
            real, base = Path(folder, "real"), Path(folder, "base")

            def state() -> object:
                return {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}

            yield Twins(_folder(real), _folder(base), state)

    yield twins


def _folder(path: Path) -> OciDirStore:
    return OciDirStore(Reference.parse(f"ocidir://{path}"))


WORLDS = {
    "referrers API": (lambda: in_a_registry(Quirks(page_size=3)), 40),
    "distribution 3": (lambda: in_a_registry(DISTRIBUTION_3), 40),
    "distribution 2": (lambda: in_a_registry(DISTRIBUTION_2, page_size=2), 25),
    "folder": (in_folders, 25),
}
"""How to open each kind of store, and how many sequences it is worth."""


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_reads_are_those_of_the_store_itself(world: str) -> None:
    open_world, examples = WORLDS[world]
    with open_world() as make_twins:

        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(st.lists(changes, max_size=8), st.lists(st.one_of(changes, reads), max_size=12))
        def check(before: list[Named], after: list[Named]) -> None:
            with make_twins() as twins:
                _compare(twins, before, after)

        check()


def _compare(twins: Twins, before: list[Named], after: list[Named]) -> None:
    for store in (twins.real, twins.base):
        push(store, ANCHOR, "anchor")
        for step in before:
            told(step.run, store)
    untouched = twins.state()
    overlay = Overlay(twins.base)
    for step in after:
        assert told(step.run, overlay) == told(step.run, twins.real), step
    assert everything(overlay) == everything(twins.real)
    assert twins.state() == untouched
