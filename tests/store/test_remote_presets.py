"""The same work on every registry that the presets imitate: PITFALLS, as a whole."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from support.clients import Client
from support.images import make_image, make_referrer, push
from support.registry import DOCKER_HUB, PRESETS, TestRegistry
from support.tagged import delete_tag

from regbot.errors import NotSupported, RegistryError
from regbot.http.hosts import Login, Secret
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.proof import PROOF_TAG
from regbot.store.remote import RemoteStore

REFUSE_TAGS = {"delete off", "pull-through cache", "Docker Hub", "GHCR", "Nexus"}
REFUSE_MANIFESTS = {"delete off", "Docker Hub", "GHCR", "GAR"}


@pytest.mark.parametrize("repo_auth", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_push_list_read_and_delete(name: str, repo_auth: bool) -> None:
    """Some give no challenge on ``/v2/``, some choke on scopes, some redirect for tokens."""
    login = {"login": Login("joe", Secret("secret")), "repo_auth": repo_auth}
    with (
        TestRegistry(PRESETS[name], users={"joe": "secret"}) as registry,
        Client(registry.name, hostname=registry.host, **login) as client,
    ):
        images = {f"v{number}": make_image(labels={"n": str(number)}) for number in range(3)}
        for repository in ("team/app", "team/tool"):
            store = client.store(repository)
            for tag, image in images.items():
                push(store, image, tag)
            store.put_manifest(Tag("same"), images["v0"].manifest)
            signature = push(store, make_referrer(images["v0"].manifest))
            assert [one.digest for one in store.referrers(images["v0"].digest)] == [
                signature.digest
            ]
            assert {"v0", "v1", "v2", "same"} <= set(store.tags())
            for tag, image in images.items():
                assert store.head(Tag(tag)).digest == image.digest
                for digest, content in store.manifest(Tag(tag)) and image.blobs.items():
                    assert b"".join(store.blob(digest)) == content
            _delete_tag(registry, store, "v0", refused=name in REFUSE_TAGS)
            _delete_manifest(registry, store, "v1", refused=name in REFUSE_MANIFESTS)


def _delete_tag(registry: TestRegistry, store: RemoteStore, tag: str, *, refused: bool) -> None:
    repository = store.repository.repository
    before = dict(registry.tags(repository))
    with pytest.raises(NotSupported) if refused else nullcontext():
        delete_tag(store, Tag(tag))
    left = {name: digest for name, digest in before.items() if refused or name != tag}
    after = {name: at for name, at in registry.tags(repository).items() if name != PROOF_TAG}
    assert after == left


def _delete_manifest(
    registry: TestRegistry, store: RemoteStore, tag: str, *, refused: bool
) -> None:
    digest = registry.tags(store.repository.repository)[tag]
    with pytest.raises(RegistryError) if refused else nullcontext():
        store.delete_manifest(Digest.parse(digest))
    assert (digest in registry.manifests(store.repository.repository)) is refused


def test_no_login_is_asked_for_where_none_is_needed() -> None:
    """A token server that knows anonymous users: nothing of a user is sent."""
    with (
        TestRegistry(DOCKER_HUB) as registry,
        Client(registry.name, hostname=registry.host) as client,
    ):
        digest = registry.put_image("team/app", "v1")
        assert str(client.store().head(Tag("v1")).digest) == digest
        assert all(
            not entry.headers.get("authorization", "").startswith("Basic")
            for entry in registry.requests
        )
