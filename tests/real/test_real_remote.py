"""The store against a real docker-registry (distribution 2.8), with skopeo as a witness."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.clients import Client
from support.images import make_image, make_index, make_layer, make_referrer, push
from support.raw import push_raw
from support.servers import RealRegistry, docker_registry, skopeo, skopeo_tags
from support.tagged import delete_tag

from regbot.errors import NotFound, NotSupported, Unauthorized
from regbot.http.hosts import Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.store.listing import list_repositories
from regbot.store.remote import RemoteStore

SETUPS = {"delete on": {}, "delete off": {"delete": False}, "htpasswd": {"htpasswd": True}}


@dataclass(frozen=True)
class Spot:
    """A fresh repository of a real registry."""

    registry: RealRegistry
    client: Client
    name: str

    @property
    def store(self) -> RemoteStore:
        return self.client.store(self.name)

    @property
    def tags(self) -> dict[str, str]:
        """Tags and digests by raw HTTP."""
        return self.registry.tags(self.name)


@pytest.fixture(scope="module", params=SETUPS)
def any_registry(request, tmp_path_factory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("real"), **SETUPS[request.param]) as registry:
        yield registry


@pytest.fixture
def spot(any_registry: RealRegistry) -> Iterator[Spot]:
    login = {"login": Login(any_registry.user, Secret(any_registry.password))}
    with Client(any_registry.host, **(login if any_registry.user else {})) as client:
        yield Spot(any_registry, client, f"team/{uuid.uuid4().hex}")


def only(*setups: str):
    return pytest.mark.parametrize("any_registry", setups, indirect=True)


@only("delete on", "htpasswd")
@pytest.mark.parametrize("docker", [False, True])
def test_a_tag_goes_and_the_others_of_its_digest_stay(spot: Spot, docker: bool) -> None:
    """distribution 2.8 answers 400 DIGEST_INVALID to a tag; the known way is taken."""
    push(spot.store, make_image(docker=docker), "v1")
    push(spot.store, make_image(docker=docker), "same")
    push(spot.store, make_image(docker=docker, labels={"n": "2"}), "v2")
    before = spot.tags
    delete_tag(spot.store, Tag("v1"))
    assert spot.tags == {tag: digest for tag, digest in before.items() if tag != "v1"}
    with pytest.raises(NotFound):
        delete_tag(spot.store, Tag("v1"))


@only("delete on")
def test_all_tags_of_a_repository(spot: Spot) -> None:
    """The last tag of a digest leaves the manifest; an index leaves its children."""
    index = make_index({name: make_image(platform=name) for name in ("linux/amd64", "linux/arm64")})
    push(spot.store, index, "multi")
    for number in range(20):
        push(spot.store, make_image(labels={"n": str(number)}), f"t{number}")
    store = spot.store
    for tag in store.tags():
        delete_tag(store, tag)
    assert spot.tags == {}
    assert store.manifest(index.digest).manifests
    for child in index.children:
        assert store.manifest(child.digest).raw == child.manifest.raw


@only("delete off")
def test_with_delete_off_every_tag_is_unchanged(spot: Spot) -> None:
    """With delete switched off 405 UNSUPPORTED: nothing changes, and it is said clearly."""
    image = make_image()
    push(spot.store, image, "v1")
    push(spot.store, image, "same")
    push(spot.store, make_index({"linux/amd64": image}), "multi")
    before = spot.tags
    store = spot.store
    for tag in ("v1", "multi", "v1"):
        with pytest.raises(NotSupported):
            delete_tag(store, Tag(tag))
    with pytest.raises(NotSupported):
        store.delete_manifest(image.digest)
    assert spot.tags == before
    assert len(before) == 3
    assert store.manifest(Tag("v1")).raw == image.manifest.raw


@only("delete on")
def test_a_digest_goes_with_its_tags(spot: Spot) -> None:
    """Deleting a digest takes every tag on it."""
    image = make_image()
    push(spot.store, image, "a")
    push(spot.store, image, "b")
    push(spot.store, make_image(labels={"n": "2"}), "c")
    spot.store.delete_manifest(image.digest)
    assert sorted(spot.tags) == ["c"]


@only("delete on", "delete off")
def test_what_is_pushed_is_an_image_to_others(spot: Spot) -> None:
    image = make_image(labels={"a": "b"}, layers=[make_layer("one"), make_layer("two")])
    push(spot.store, image, "v1")
    name = f"docker://{spot.registry.host}/{spot.name}:v1"
    seen = json.loads(skopeo("inspect", "--tls-verify=false", name).stdout)
    assert seen["Digest"] == str(image.digest)
    assert seen["Labels"] == {"a": "b"}
    assert skopeo_tags(spot.registry.host, spot.name) == ["v1"]


@only("delete on", "htpasswd")
def test_what_others_pushed_is_read(spot: Spot) -> None:
    image = make_image(labels={"from": "outside"})
    push_raw(spot.registry, spot.name, "v1", image)
    assert spot.store.tags() == ["v1"]
    assert spot.store.head(Tag("v1")).digest == image.digest
    for digest, content in image.blobs.items():
        assert spot.store.blob_size(digest) == len(content)
        assert b"".join(spot.store.blob(digest, len(content))) == content


@only("delete on")
@pytest.mark.parametrize(
    "settings", [{}, {"blob_max": 1, "blob_chunk": 300_000}], ids=["one put", "chunks"]
)
def test_a_large_blob(spot: Spot, settings: dict[str, int]) -> None:
    """Single put and chunked; constant memory is held elsewhere."""
    content = bytes(range(256)) * 8192
    digest = Digest.of(content)
    with Client(spot.registry.host, **settings) as client:
        store = client.store(spot.name)
        store.put_blob(lambda: [content], digest=digest, size=len(content))
        assert b"".join(store.blob(digest, len(content))) == content


@only("delete on", "htpasswd")
def test_a_mount_moves_no_bytes(spot: Spot) -> None:
    """A mount may answer 201."""
    digest = Digest.of(b"shared")
    spot.store.put_blob(lambda: [b"shared"], digest=digest, size=6)
    other = spot.client.store(f"{spot.name}/other")
    source = Reference("registry", spot.registry.host, spot.name)
    assert other.mount_blob(digest, source) is True
    assert b"".join(other.blob(digest)) == b"shared"
    assert other.mount_blob(Digest.of(b"not there"), source) is False


@only("delete on")
def test_referrers_by_tag(spot: Spot) -> None:
    """No referrers API: the fallback tag is kept up on put and delete."""
    image = make_image()
    push(spot.store, image, "v1")
    first, second = (make_referrer(image.manifest, content=text) for text in (b"1", b"2"))
    for one in (first, second):
        push(spot.store, one)
    assert {one.digest for one in spot.store.referrers(image.digest)} == {
        first.digest,
        second.digest,
    }
    spot.store.delete_manifest(first.digest)
    assert [one.digest for one in spot.store.referrers(image.digest)] == [second.digest]
    spot.store.delete_manifest(second.digest)
    assert fallback_tag(image.digest) not in spot.tags
    assert sorted(spot.tags) == ["v1"]


@only("delete on", "htpasswd")
def test_the_catalog(spot: Spot) -> None:
    push(spot.store, make_image(), "v1")
    assert spot.name in list_repositories(spot.client.exchange, spot.registry.host)


@only("htpasswd")
@pytest.mark.parametrize("login", [{}, {"login": Login("robot", Secret("wrong horse"))}])
def test_a_wrong_login_is_refused_and_not_shown(spot: Spot, login: dict[str, object]) -> None:
    """401: stop at once, one line, no secret."""
    push(spot.store, make_image(), "v1")
    with Client(spot.registry.host, **login) as client:
        with pytest.raises(Unauthorized) as caught:
            client.store(spot.name).tags()
        with pytest.raises(Unauthorized):
            delete_tag(client.store(spot.name), Tag("v1"))
    assert "wrong horse" not in str(caught.value)
    assert sorted(spot.tags) == ["v1"]
