"""What is read before a delete: all that goes with it, or an error and no delete."""

from __future__ import annotations

import pytest
from support.images import make_image, make_index, make_referrer, push
from support.journals import saved_before
from support.pairs import KINDS, layout, side, store_of
from support.registry import HARBOR

from regbot.errors import ContentError, NotFound, RegbotError, ServerFault, Stopped
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.stopping import Stop


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with store_of(request.param, tmp_path / "layout") as store:
        yield store


def two_platforms():
    return make_index(
        {"linux/amd64": make_image(), "linux/arm64": make_image(platform="linux/arm64")}
    )


def save_tag(store, tag):
    return saved_before(store, DeleteTag(store.repository.with_tag(Tag(tag))))


def save_digest(store, digest):
    reference = store.repository.with_digest(digest)
    return saved_before(store, DeleteManifest(reference, digest))


def test_an_image_is_saved_with_its_exact_bytes(store):
    image = make_image()
    push(store, image, "v1")
    saved = save_tag(store, "v1")
    assert saved.digest == image.digest
    assert [own.raw for own in saved.manifests] == [image.manifest.raw]
    assert saved.tags == ("v1",)


def test_children_come_before_their_index_and_referrers_after_their_subject(store):
    index = two_platforms()
    push(store, index, "v1")
    signature = push(store, make_referrer(index.manifest))
    witness = push(store, make_referrer(signature, content=b"witness"))
    bill = push(store, make_referrer(index.children[0].manifest, content=b"bill"))
    order = [own.digest for own in save_tag(store, "v1").manifests]
    children = {child.digest for child in index.children}
    assert set(order[:2]) == children
    assert order[2] == index.digest
    assert set(order[3:]) == {signature.digest, witness.digest, bill.digest}
    assert order.index(signature.digest) < order.index(witness.digest)


def test_a_manifest_is_saved_with_every_tag_on_it(store):
    image = make_image()
    push(store, image, "v1")
    store.put_manifest(Tag("latest"), image.manifest)
    push(store, make_image(created=None), "other")
    assert save_digest(store, image.digest).tags == ("latest", "v1")


def test_what_the_look_has_read_is_not_read_again():
    with side() as place:
        store, image = place.store(), make_image()
        push(store, image, "v1")
        place.registry.forget()
        save_tag(store, "v1")
        assert len(place.registry.asked(part="manifests/")) == 1


def test_a_missing_child_is_noted():
    with side(checks_references=False) as place:
        store, index = place.store(), two_platforms()
        there, missing = index.children
        push(store, there)
        store.put_manifest(Tag("v1"), index.manifest)
        saved = save_tag(store, "v1")
        assert [own.digest for own in saved.manifests] == [there.digest, index.digest]
        assert saved.missing == (missing.digest,)


def test_a_tag_that_leads_nowhere_is_noted(tmp_path):
    store, image = layout(tmp_path), make_image()
    push(store, image, "v1")
    (tmp_path / "blobs" / "sha256" / image.digest.hex).unlink()
    saved = save_tag(store, "v1")
    assert (saved.digest, saved.manifests, saved.missing) == (image.digest, (), (image.digest,))


def test_what_is_not_there_can_t_be_saved(store):
    push(store, make_image(), "v1")
    with pytest.raises(NotFound):
        save_tag(store, "v2")
    with pytest.raises(NotFound):
        save_digest(store, make_image(created=None).digest)


@pytest.mark.parametrize("part", ["manifests/v1", "manifests/sha256:", "referrers/", "tags/list"])
def test_a_registry_that_fails_is_an_error(part):
    with side(HARBOR, auth="") as place:
        image = make_image()
        push(place.store(), image, "v1")
        place.registry.break_next(path=part, times=1000, status=503)
        with pytest.raises(ServerFault):
            (save_tag if part == "manifests/v1" else save_digest)(
                place.store(), "v1" if part == "manifests/v1" else image.digest
            )


def test_a_manifest_of_rubbish_is_an_error():
    with side() as place:
        image = make_image()
        push(place.store(), image, "v1")
        own = place.registry.content.repository("team/app").manifests
        stored = own[str(image.digest)]
        own[str(image.digest)] = type(stored)(b"rubbish", stored.media_type)
        with pytest.raises(ContentError):
            save_tag(place.store(), "v1")


def test_a_run_that_ends_saves_nothing(store):
    push(store, two_platforms(), "v1")
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        saved_before(store, DeleteTag(store.repository.with_tag(Tag("v1"))), stop=stop)
    assert issubclass(Stopped, RegbotError)
