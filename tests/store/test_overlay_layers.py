"""A script's plan lies over the plan of those before it, until it is kept."""

from __future__ import annotations

import pytest
from support.images import make_image, push
from support.planning import NEW, OLD, open_world

from regbot.errors import NotFound
from regbot.oci.tag import Tag
from regbot.store.overlay_stores import OverlayStores

A, B, D, E = (Tag.parse(text) for text in "abde")
OTHER = make_image(labels={"other": "1"})


@pytest.fixture
def world():
    with open_world() as world:
        yield world


def layer(world):
    stores = OverlayStores(world.base, after=world.stores)
    return stores, stores.open(world.reference("team/app"))


def test_what_is_not_kept_is_not_seen(world):
    _, overlay = layer(world)
    overlay.delete_tag(A, OLD.digest)
    overlay.put_manifest(E, NEW.manifest)
    _, later = layer(world)
    assert set(later.tags()) == set("abcd")
    assert later.head(A).digest == OLD.digest
    with pytest.raises(NotFound):
        later.head(E)


def test_what_is_kept_is_seen(world):
    stores, overlay = layer(world)
    overlay.delete_tag(A, OLD.digest)
    overlay.put_manifest(E, OTHER.manifest)
    stores.keep()
    _, later = layer(world)
    assert set(later.tags()) == set("bcde")
    assert later.manifest(E).digest == OTHER.digest
    assert later.manifest(OTHER.digest).raw == OTHER.manifest.raw


def test_a_deleted_digest_takes_the_tags_of_both_plans(world):
    first, overlay = layer(world)
    overlay.put_manifest(E, OTHER.manifest)
    overlay.put_manifest(D, OTHER.manifest)
    first.keep()
    second, overlay = layer(world)
    overlay.delete_manifest(OTHER.digest)
    overlay.delete_manifest(OLD.digest)
    assert overlay.tags() == []
    second.keep()
    _, later = layer(world)
    assert later.tags() == []
    for name in (E, D, A, OTHER.digest, OLD.digest):
        with pytest.raises(NotFound):
            later.manifest(name)


def test_a_digest_put_again_has_only_the_tags_it_was_put_with(world):
    first, overlay = layer(world)
    overlay.put_manifest(E, OTHER.manifest)
    overlay.put_manifest(D, OTHER.manifest)
    first.keep()
    second, overlay = layer(world)
    overlay.delete_manifest(OTHER.digest)
    overlay.put_manifest(D, OTHER.manifest)
    assert set(overlay.tags()) == set("abcd")
    second.keep()
    _, later = layer(world)
    assert set(later.tags()) == set("abcd")
    assert later.head(D).digest == OTHER.digest


def test_a_tag_deleted_in_one_plan_and_put_in_the_next_is_there(world):
    first, overlay = layer(world)
    overlay.delete_manifest(OLD.digest)
    first.keep()
    second, overlay = layer(world)
    overlay.put_manifest(B, OLD.manifest)
    second.keep()
    _, later = layer(world)
    assert set(later.tags()) == set("bd")
    assert later.head(B).digest == OLD.digest


def test_a_planned_repository_is_listed_by_those_after_it(world):
    stores, _ = layer(world)
    stores.open(world.reference("team/new")).put_manifest(A, OTHER.manifest)
    registry = world.registry.host
    assert "team/new" in stores.repositories(registry)
    assert "team/new" not in OverlayStores(world.base, after=world.stores).repositories(registry)
    stores.keep()
    assert "team/new" in OverlayStores(world.base, after=world.stores).repositories(registry)


def test_a_plan_after_a_plan_after_a_plan_sees_all_of_them(world):
    push(world.open("team/new"), NEW, "v1")
    second = OverlayStores(world.base, after=world.stores)
    push(second.open(world.reference("team/new")), OLD, "v2")
    third = OverlayStores(world.base, after=second)
    for stores in (third, third.through(world.base)):
        assert stores.open(world.reference("team/new")).tags() == ["v1", "v2"]
