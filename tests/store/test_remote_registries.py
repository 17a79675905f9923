"""What is particular to one registry: which it is, and what is done there."""

from __future__ import annotations

import pytest
from support.clients import Client
from support.registry import (
    DELETE_OFF,
    GAR,
    GHCR,
    GITLAB,
    HARBOR,
    PRESETS,
    QUAY,
    QUAY_3_12,
    TestRegistry,
)
from support.tagged import APP, delete_tag, fill, without_old

from regbot.errors import NotSupported, Protected
from regbot.http.hosts import Login, Secret
from regbot.oci.tag import Tag
from regbot.store.proof import PROOF_TAG
from regbot.store.registries import KINDS, kind_of

LOGIN = {"login": Login("joe", Secret("secret"))}
OLD = Tag("old")
OFF = {"tag_delete": "unsupported", "manifest_delete": "unsupported"}


def open_both(quirks, **switches):
    registry = TestRegistry(quirks, users={"joe": "secret"}, **switches)
    registry.__enter__()
    return registry, Client(registry.name, hostname=registry.host, **LOGIN)


@pytest.fixture
def opened(request):
    registry, client = open_both(request.param[0], **request.param[1])
    with client:
        yield registry, client
    registry.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("opened", "name"),
    [
        ((PRESETS["GHCR"], {}), "GitHub's registry"),
        ((PRESETS["Docker Hub"], {}), "Docker Hub"),
        ((PRESETS["GAR"], {}), "Google's registry"),
        ((PRESETS["ECR"], {}), "Amazon ECR"),
        ((PRESETS["Gitea"], {}), "Gitea or Forgejo"),
        ((PRESETS["Nexus"], {}), "Nexus"),
        ((PRESETS["Pulp"], {}), "Pulp"),
        ((PRESETS["GitLab"], {}), "GitLab"),
        ((PRESETS["Harbor"], {}), "Harbor"),
        ((PRESETS["Quay"], {}), "Quay"),
        ((PRESETS["ACR"], {}), "the registry"),
    ],
    indirect=["opened"],
)
def test_a_registry_is_known_by_its_name_or_its_challenge(opened, name):
    registry, client = opened
    fill(registry)
    client.store().head(OLD)
    assert kind_of(client.exchange, registry.name).name == name


@pytest.mark.parametrize(
    ("opened", "enable"),
    [
        ((DELETE_OFF, {}), "REGISTRY_STORAGE_DELETE_ENABLED=true"),
        ((GITLAB, OFF), "storage_delete_enabled"),
        ((HARBOR, OFF), "end read-only mode"),
        ((QUAY, OFF), "REGISTRY_STATE: normal"),
        ((GHCR, {}), "GitHub's API for packages"),
    ],
    indirect=["opened"],
)
@pytest.mark.parametrize("deleted", ["tag", "manifest"])
def test_where_deletes_are_switched_off_it_is_told_how_to_switch_them_on(opened, enable, deleted):
    registry, client = opened
    before = fill(registry)
    store = client.store()
    digest = store.head(OLD).digest
    with pytest.raises(NotSupported) as caught:
        delete_tag(store, OLD) if deleted == "tag" else store.delete_manifest(digest)
    advice = "\n".join([str(caught.value), *client.said("warn")])
    assert enable in advice
    others = {kind.enable for kind in KINDS if kind.enable and enable not in kind.enable}
    if registry.quirks.auth:
        assert not [other for other in others if other in advice]
    assert registry.tags(APP) == before


@pytest.mark.parametrize(
    "opened", [(GHCR, {}), (GAR, {"tag_delete": "unsupported"})], indirect=True
)
def test_no_small_manifest_where_it_could_not_be_deleted(opened):
    registry, client = opened
    before = fill(registry)
    with pytest.raises(NotSupported, match=r"API for packages|right to delete tags"):
        delete_tag(client.store(), OLD)
    assert registry.tags(APP) == before
    assert not registry.asked("PUT")


@pytest.mark.parametrize("opened", [(GITLAB, {}), (HARBOR, {}), (QUAY, {})], indirect=True)
def test_a_protected_tag_says_nothing_of_other_tags(opened):
    registry, client = opened
    before = fill(registry)
    registry.content.repository(APP).protected.add("kept")
    store = client.store()
    with pytest.raises(Protected):
        delete_tag(store, Tag("kept"))
    delete_tag(store, OLD)
    assert registry.tags(APP) == without_old(before)


@pytest.mark.parametrize("opened", [(QUAY_3_12, {})], indirect=True)
def test_where_an_untagged_manifest_can_t_be_deleted_the_proof_has_a_tag(opened):
    registry, client = opened
    before = fill(registry)
    delete_tag(client.store(), OLD)
    assert registry.tags(APP) == without_old(before)
    assert registry.asked("PUT", PROOF_TAG)
