"""Plans of removal: what goes, what stays, and in which order."""

from __future__ import annotations

import pytest
from support.images import Image, make_image, make_index, make_layer, make_referrer, push
from support.pairs import KINDS, broken_tags, has, side, store_of, whole
from support.registry import DISTRIBUTION_3
from support.tagged import delete_tag

from regbot.errors import Malformed, NotFound, NotSupported, ServerFault
from regbot.image.removal import RemoveManifest, RemoveTag, plan_removal
from regbot.oci.manifest import OCI_INDEX, Manifest
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag

BOTH = {"children": True, "referrers": True}


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with store_of(request.param, tmp_path / "layout") as store:
        yield store


def two_platforms(text=""):
    return make_index(
        {
            "linux/amd64": make_image(layers=[make_layer(f"amd{text}")]),
            "linux/arm64": make_image(platform="linux/arm64", layers=[make_layer("arm")]),
        }
    )


def apply(store, steps):
    """Do the steps; after each of them every tag that is left is whole."""
    for step in steps:
        try:
            if isinstance(step, RemoveTag):
                delete_tag(store, step.tag)
            else:
                store.delete_manifest(step.digest)
        except NotFound:
            assert isinstance(step, RemoveTag)
        assert broken_tags(store) == []


def tags_left(store):
    """The tags; an empty registry may say that there is no such repository."""
    try:
        return sorted(store.tags())
    except NotFound:
        return []


def digests(steps):
    return [step.digest for step in steps if isinstance(step, RemoveManifest)]


def test_an_image_goes_with_its_tag_first(store):
    image = make_image()
    push(store, image, "v1")
    steps = plan_removal(store, Tag("v1"))
    assert steps == (
        RemoveTag(Tag("v1"), image.digest),
        RemoveManifest(image.digest, image.manifest.size),
    )
    apply(store, steps)
    assert tags_left(store) == []


def test_planning_changes_nothing():
    with side() as place:
        push(place.store(), two_platforms(), "v1")
        place.registry.forget()
        plan_removal(place.store(), Tag("v1"), **BOTH)
        assert place.writes() == []


def test_a_manifest_with_another_tag_stays(store):
    image = make_image()
    push(store, image, "v1")
    store.put_manifest(Tag("latest"), image.manifest)
    steps = plan_removal(store, Tag("v1"), **BOTH)
    assert steps == (RemoveTag(Tag("v1"), image.digest),)
    apply(store, steps)
    assert whole(store, "latest")


def test_children_stay_unless_asked_for(store):
    index = two_platforms()
    push(store, index, "v1")
    push(store, make_referrer(index.manifest))
    assert digests(plan_removal(store, Tag("v1"))) == [index.digest]


def test_an_index_goes_before_its_children(store):
    index = two_platforms()
    push(store, index, "v1")
    steps = plan_removal(store, Tag("v1"), children=True)
    assert digests(steps)[0] == index.digest
    assert set(digests(steps)) == {index.digest, *(child.digest for child in index.children)}
    apply(store, steps)


def test_children_that_another_tag_or_index_needs_stay(store):
    index, other = two_platforms(), two_platforms("2")
    amd, arm = index.children
    assert other.children[1].digest == arm.digest
    push(store, index, "v1")
    push(store, other, "v2")
    push(store, amd, "amd-only")
    steps = plan_removal(store, Tag("v1"), **BOTH)
    assert digests(steps) == [index.digest]
    apply(store, steps)
    assert whole(store, "v2")
    assert whole(store, "amd-only")


def test_an_image_that_a_kept_index_lists_loses_only_its_tag(store):
    index = two_platforms()
    push(store, index, "v1")
    store.put_manifest(Tag("arm"), index.children[1].manifest)
    steps = plan_removal(store, Tag("arm"), **BOTH)
    assert steps == (RemoveTag(Tag("arm"), index.children[1].digest),)
    apply(store, steps)
    assert whole(store, "v1")


def test_an_index_within_an_index_is_looked_into(store):
    inner = two_platforms()
    data = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    outer = Image(
        Manifest.build({**data, "manifests": [inner.manifest.descriptor.to_json()]}),
        children=(inner,),
    )
    push(store, outer, "outer")
    store.put_manifest(Tag("inner"), inner.manifest)
    assert digests(plan_removal(store, Tag("inner"), **BOTH)) == []
    steps = plan_removal(store, Tag("outer"), **BOTH)
    assert digests(steps) == [outer.digest]
    apply(store, steps)
    assert whole(store, "inner")


def test_referrers_of_all_that_goes_go_too(store):
    index = two_platforms()
    push(store, index, "v1")
    signature = push(store, make_referrer(index.manifest))
    witness = push(store, make_referrer(signature, content=b"witness"))
    bill = push(store, make_referrer(index.children[0].manifest, content=b"bill"))
    steps = plan_removal(store, Tag("v1"), **BOTH)
    gone = digests(steps)
    assert {signature.digest, witness.digest, bill.digest} <= set(gone)
    assert gone.index(index.digest) < gone.index(signature.digest) < gone.index(witness.digest)
    assert gone.index(index.children[0].digest) < gone.index(bill.digest)
    apply(store, steps)
    assert tags_left(store) == []
    assert not any(has(store, digest) for digest in gone)


def test_referrers_of_what_stays_stay(store):
    index = two_platforms()
    push(store, index, "v1")
    kept = index.children[0]
    push(store, kept, "kept")
    bill = push(store, make_referrer(kept.manifest, content=b"bill"))
    steps = plan_removal(store, Tag("v1"), **BOTH)
    assert bill.digest not in digests(steps)
    apply(store, steps)
    assert [one.digest for one in store.referrers(kept.digest)] == [bill.digest]


def test_a_referrer_with_a_tag_of_its_own_stays(store):
    image = make_image()
    push(store, image, "v1")
    signature = push(store, make_referrer(image.manifest), "signature-of-v1")
    steps = plan_removal(store, Tag("v1"), **BOTH)
    assert digests(steps)[0] == image.digest
    assert signature.digest not in digests(steps)
    apply(store, steps)
    assert store.manifest(Tag("signature-of-v1")) == signature


def test_the_tags_made_of_a_digest_go_with_it(store):
    image, other = make_image(), make_image(labels={"other": "image"})
    push(store, image, "v1")
    push(store, other, "v2")
    mine = make_image(labels={"signature": "of v1"})
    push(store, mine, f"{fallback_tag(image.digest)}.sig")
    push(store, make_image(labels={"signature": "of v2"}), f"{fallback_tag(other.digest)}.sig")
    untouched = plan_removal(store, Tag("v1"))
    assert digests(untouched) == [image.digest]
    steps = plan_removal(store, Tag("v1"), referrers=True)
    assert RemoveTag(Tag(f"{fallback_tag(image.digest)}.sig"), mine.digest) in steps
    assert [step.part for step in steps] == ["", "signature", "manifest", "signature"]
    apply(store, steps)
    assert sorted(store.tags()) == [f"{fallback_tag(other.digest)}.sig", "v2"]


def test_a_child_that_refers_to_something_kept_stays_with_all_it_lists(store):
    kept = make_image(labels={"kept": "yes"})
    push(store, kept, "kept")
    leaf = make_image(platform="linux/arm64")
    data = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    inner = Image(
        Manifest.build(
            {
                **data,
                "manifests": [leaf.manifest.descriptor.to_json()],
                "subject": kept.manifest.descriptor.to_json(),
            }
        ),
        children=(leaf,),
    )
    entries = [inner.manifest.descriptor.to_json(), leaf.manifest.descriptor.to_json()]
    outer = Image(Manifest.build({**data, "manifests": entries}), children=(inner, leaf))
    push(store, outer, "v1")
    steps = plan_removal(store, Tag("v1"), **BOTH)
    assert digests(steps) == [outer.digest]
    apply(store, steps)
    assert [one.digest for one in store.referrers(kept.digest)] == [inner.digest]


def test_what_a_wrong_list_of_referrers_names_stays():
    with side(DISTRIBUTION_3) as place:
        image, other = make_image(), make_image(labels={"other": "image"})
        push(place.store(), image, "v1")
        push(place.store(), other, "v2")
        true = push(place.store(), make_referrer(image.manifest, content=b"true"))
        of_other = push(place.store(), make_referrer(other.manifest, content=b"of another"))
        no_referrer = push(place.store(), make_image(labels={"untagged": "image"}))
        entries = [own.descriptor.to_json() for own in (true, of_other, no_referrer)]
        listing = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        place.store().put_manifest(fallback_tag(image.digest), Manifest.build(listing))
        gone = digests(plan_removal(place.store(), Tag("v1"), **BOTH))
        assert true.digest in gone
        assert not {of_other.digest, no_referrer.digest} & set(gone)


def test_an_index_that_can_t_be_read_stops_everything():
    with side() as place:
        push(place.store(), make_image(), "v1")
        index = two_platforms()
        push(place.store(), index, "v2")
        own = place.registry.content.repository("team/app").manifests
        own[str(index.digest)] = type(own[str(index.digest)])(b"{}", OCI_INDEX)
        with pytest.raises(Malformed, match="nothing is deleted"):
            plan_removal(place.store(), Tag("v1"), **BOTH)


@pytest.mark.parametrize("part", ["tags/list", "manifests/v2"])
def test_a_registry_that_fails_stops_everything(part):
    with side() as place:
        push(place.store(), make_image(), "v1")
        push(place.store(), make_image(created=None), "v2")
        place.registry.break_next(path=part, times=1000, status=503)
        with pytest.raises(ServerFault):
            plan_removal(place.store(), Tag("v1"), **BOTH)


def test_a_tag_that_vanishes_meanwhile_keeps_nothing():
    with side() as place:
        image = make_image()
        push(place.store(), image, "v1")
        push(place.store(), make_image(created=None), "v2")
        place.registry.before("HEAD", "manifests/v2", lambda: delete_tag(place.store(), Tag("v2")))
        assert digests(plan_removal(place.store(), Tag("v1"), **BOTH)) == [image.digest]


def test_children_that_are_not_there_are_no_steps():
    with side(checks_references=False) as place:
        index = two_platforms()
        push(place.store(), index.children[0])
        place.store().put_manifest(Tag("v1"), index.manifest)
        steps = plan_removal(place.store(), Tag("v1"), **BOTH)
        assert digests(steps) == [index.digest, index.children[0].digest]


def test_a_digest_in_use_is_refused(store):
    image = make_image()
    push(store, image, "v1")
    with pytest.raises(NotSupported, match="in use by tags: v1"):
        plan_removal(store, image.digest, **BOTH)


def test_a_digest_without_tag_goes(store):
    index = two_platforms()
    push(store, index, "other")
    loose = make_image(labels={"loose": "yes"})
    push(store, loose)
    assert plan_removal(store, loose.digest, **BOTH) == (
        RemoveManifest(loose.digest, loose.manifest.size),
    )
    with pytest.raises(NotSupported, match="an index that stays"):
        plan_removal(store, index.children[0].digest, **BOTH)


def test_a_tag_that_is_not_there_is_an_error(store):
    push(store, make_image(), "v1")
    with pytest.raises(NotFound):
        plan_removal(store, Tag("v2"), **BOTH)
