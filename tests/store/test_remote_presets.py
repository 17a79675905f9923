"""The same work on every registry that the presets imitate: PITFALLS, as a whole."""

from __future__ import annotations

import pytest
from support.clients import Client
from support.images import make_image, make_referrer, push
from support.registry import (
    ACR,
    DELETE_OFF,
    DISTRIBUTION_2,
    DISTRIBUTION_3,
    DOCKER_HUB,
    ECR,
    GCR,
    GHCR,
    GITLAB,
    HARBOR,
    QUAY,
    Quirks,
    TestRegistry,
)

from regbot.errors import NotSupported
from regbot.http.hosts import Secret
from regbot.oci.digest import Digest

PRESETS = {
    "distribution 2": DISTRIBUTION_2,
    "distribution 3": DISTRIBUTION_3,
    "delete off": DELETE_OFF,
    "Docker Hub": DOCKER_HUB,
    "Quay": QUAY,
    "GCR": GCR,
    "ACR": ACR,
    "ECR": ECR,
    "GHCR": GHCR,
    "Harbor": HARBOR,
    "GitLab": GITLAB,
}


@pytest.mark.parametrize("repo_auth", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_push_list_read_and_delete(name: str, repo_auth: bool) -> None:
    """Some give no challenge on ``/v2/``, some choke on scopes, some redirect for tokens."""
    quirks: Quirks = PRESETS[name]
    login = {"user": "joe", "password": Secret("secret"), "repo_auth": repo_auth}
    with (
        TestRegistry(quirks, users={"joe": "secret"}) as registry,
        Client(registry.host, **login) as client,
    ):
        images = {f"v{number}": make_image(labels={"n": str(number)}) for number in range(3)}
        for repository in ("team/app", "team/tool"):
            store = client.store(repository)
            for tag, image in images.items():
                push(store, image, tag)
            store.put_manifest("same", images["v0"].manifest)
            signature = push(store, make_referrer(images["v0"].manifest))
            assert [one.digest for one in store.referrers(images["v0"].digest)] == [
                signature.digest
            ]
            assert {"v0", "v1", "v2", "same"} <= set(store.tags())
            for tag, image in images.items():
                assert store.head(tag).digest == image.digest
                for digest, content in store.manifest(tag) and image.blobs.items():
                    assert b"".join(store.blob(digest)) == content
            _delete(registry, client, repository, refused="unsupported" in quirks.manifest_delete)


def _delete(registry: TestRegistry, client: Client, repository: str, *, refused: bool) -> None:
    before = dict(registry.tags(repository))
    store = client.store(repository)
    if refused:
        with pytest.raises(NotSupported):
            store.delete_tag("v0")
        with pytest.raises(NotSupported):
            store.delete_manifest(Digest.parse(before["v1"]))
        assert registry.tags(repository) == before
        return
    store.delete_tag("v0")
    store.delete_manifest(Digest.parse(before["v1"]))
    left = {tag: digest for tag, digest in before.items() if tag not in ("v0", "v1")}
    assert registry.tags(repository) == left


def test_no_login_is_asked_for_where_none_is_needed() -> None:
    """A token server that knows anonymous users: nothing of a user is sent."""
    with TestRegistry(DOCKER_HUB) as registry, Client(registry.host) as client:
        digest = registry.put_image("team/app", "v1")
        assert str(client.store().head("v1").digest) == digest
        assert all(
            not entry.headers.get("authorization", "").startswith("Basic")
            for entry in registry.requests
        )
