"""What each option of a copy changes: platforms, referrers, digest tags, ..."""

from __future__ import annotations

import pytest
from support.images import (
    OCI_LAYER,
    Image,
    descriptor,
    make_image,
    make_index,
    make_layer,
    make_referrer,
    push,
)
from support.pairs import copy, has, side, two_platforms, whole
from support.registry import DISTRIBUTION_3, HARBOR

from regbot.errors import NotFound, NotSupported
from regbot.image.copy import copy_image
from regbot.image.options import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.oci.referrers import fallback_tag, with_referrer
from regbot.oci.tag import Tag
from regbot.stopping import Stop


def test_force_recursive_brings_back_what_is_missing_below_a_tag():
    with side() as here, side() as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        copy(here.store(), "v1", there.store(), "v1")
        own = there.registry.content.repository("team/app")
        del own.manifests[str(index.children[0].digest)]
        del own.blobs[str(Digest.of(make_layer("arm")))]
        copy(here.store(), "v1", there.store(), "v1")
        assert not has(there.store(), index.children[0].digest)
        copy(here.store(), "v1", there.store(), "v1", force_recursive=True)
        assert whole(there.store(), "v1") == whole(here.store(), "v1")


def test_fast_check_is_content_with_the_tag():
    with side() as here, side() as there:
        image = make_image()
        push(here.store(), image, "v1")
        copy(here.store(), "v1", there.store(), "v1")
        signature = push(here.store(), make_referrer(image.manifest))
        more = {"referrers": True, "force_recursive": True}
        copy(here.store(), "v1", there.store(), "v1", fast_check=True, **more)
        assert not has(there.store(), signature.digest)
        copy(here.store(), "v1", there.store(), "v1", **more)
        assert has(there.store(), signature.digest)


def test_platforms_copy_the_index_as_it_is_and_only_their_images():
    with side() as here, side(checks_references=False) as there:
        index = two_platforms()
        amd, arm = index.children
        push(here.store(), index, "v1")
        arm64 = {"platforms": (Platform.parse("linux/arm64"),)}
        copy(here.store(), "v1", there.store(), "v1", **arm64)
        assert there.registry.tags("team/app") == {"v1": str(index.digest)}
        assert whole(there.store(), arm.digest)
        assert not has(there.store(), amd.digest)
        there.registry.forget()
        copy(here.store(), "v1", there.store(), "v1", **arm64)
        assert there.writes() == []
        copy(here.store(), "v1", there.store(), "v1", platforms=(Platform.parse("linux/amd64"),))
        assert whole(there.store(), "v1") == whole(here.store(), "v1")


def test_windows_without_a_version_is_the_newest_build():
    with side() as here, side(checks_references=False) as there:
        builds = ("10.0.17763.4974", "10.0.20348.1", "10.0.17763.5000")
        index = make_index(
            {f"windows/amd64,osver={build}": make_image(labels={"b": build}) for build in builds}
        )
        push(here.store(), index, "v1")
        windows = Platform("windows", "amd64")
        copy(here.store(), "v1", there.store(), "v1", platforms=(windows,))
        assert [has(there.store(), child.digest) for child in index.children] == [
            False,
            True,
            False,
        ]


def test_a_registry_that_wants_all_platforms_is_named_with_the_reason():
    with side() as here, side() as there:
        push(here.store(), two_platforms(), "v1")
        with pytest.raises(NotSupported, match="only some platforms were copied"):
            copy(here.store(), "v1", there.store(), "v1", platforms=(Platform("linux", "arm64"),))
        assert there.registry.tags("team/app") == {}


def test_a_platform_that_is_not_there_is_an_error_that_lists_those_that_are():
    with side() as here, side() as there:
        push(here.store(), two_platforms(), "v1")
        with pytest.raises(NotFound, match="linux/amd64, linux/arm64"):
            copy(here.store(), "v1", there.store(), "v1", platforms=(Platform("linux", "s390x"),))
        assert there.writes() == []


def external_image():
    here, elsewhere = make_layer("here"), make_layer("elsewhere")
    image = make_image(layers=[here])
    data = dict(image.manifest.data)
    foreign = {**descriptor(elsewhere, OCI_LAYER), "urls": ["https://example.org/layer"]}
    data["layers"] = [*data["layers"], foreign]
    return Image(Manifest.build(data), image.config, image.blobs), elsewhere


def test_external_layers_stay_where_they_are():
    image, elsewhere = external_image()
    with side() as here, side() as there:
        push(here.store(), image, "v1")
        copy(here.store(), "v1", there.store(), "v1")
        assert there.store().head(Tag("v1")).digest == image.digest
        assert str(Digest.of(elsewhere)) not in there.registry.blobs("team/app")


def test_external_layers_are_copied_when_asked_for():
    image, elsewhere = external_image()
    with side() as here, side() as there:
        push(here.store(), image, "v1")
        digest = here.registry.put_blob("team/app", elsewhere)
        copy(here.store(), "v1", there.store(), "v1", include_external=True)
        assert there.registry.blobs("team/app")[digest] == elsewhere


@pytest.mark.parametrize("quirks", [DISTRIBUTION_3, HARBOR], ids=["no referrers API", "API"])
@pytest.mark.parametrize("source_quirks", [DISTRIBUTION_3, HARBOR], ids=["none here", "API here"])
def test_referrers_come_along_with_those_of_their_own(quirks, source_quirks):
    with side(source_quirks, auth="") as here, side(quirks, auth="") as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        signature = push(here.store(), make_referrer(index.manifest))
        bill = push(here.store(), make_referrer(index.children[0].manifest, content=b"bill"))
        witness = push(here.store(), make_referrer(signature, content=b"witness"))
        copy(here.store(), "v1", there.store(), "v1")
        assert not has(there.store(), signature.digest)
        copy(here.store(), "v1", there.store(), "v1", referrers=True)
        for subject, referrer in (
            (index.digest, signature),
            (index.children[0].digest, bill),
            (signature.digest, witness),
        ):
            assert [one.digest for one in there.store().referrers(subject)] == [referrer.digest]
            assert whole(there.store(), referrer.digest)


def test_referrers_of_the_target_s_own_stay():
    with side(DISTRIBUTION_3) as here, side(DISTRIBUTION_3) as there:
        image = make_image()
        push(here.store(), image, "v1")
        theirs = push(here.store(), make_referrer(image.manifest, content=b"upstream"))
        push(there.store(), image, "v1")
        own = push(there.store(), make_referrer(image.manifest, content=b"ours"))
        copy(here.store(), "v1", there.store(), "v1", digest_tags=True)
        found = {one.digest for one in there.store().referrers(image.digest)}
        assert found == {theirs.digest, own.digest}


@pytest.mark.parametrize("quirks", [DISTRIBUTION_3, HARBOR], ids=["no referrers API", "API"])
def test_the_tag_with_the_list_of_referrers_comes_along(quirks):
    """Lua API: ``digestTags``, as the Go program has it."""
    with side(DISTRIBUTION_3) as here, side(quirks, auth="") as there:
        image = push(here.store(), make_image(), "v1")
        signature = push(here.store(), make_referrer(image))
        tag = fallback_tag(image.digest)
        copy(here.store(), "v1", there.store(), "v1", digest_tags=True)
        assert there.store().manifest(tag) == here.store().manifest(tag)
        assert whole(there.store(), signature.digest)


def test_the_tag_with_the_list_leads_to_nothing_that_is_missing():
    with side(DISTRIBUTION_3) as here, side(HARBOR, auth="") as there:
        image = push(here.store(), make_image(), "v1")
        gone = push(here.store(), make_referrer(image, content=b"gone"))
        kept = push(here.store(), make_referrer(image, content=b"kept"))
        del here.registry.content.repository("team/app").manifests[str(gone.digest)]
        copy(here.store(), "v1", there.store(), "v1", digest_tags=True)
        listed = there.store().manifest(fallback_tag(image.digest)).manifests
        assert [entry.digest for entry in listed] == [kept.digest]


def test_a_list_at_the_target_keeps_what_only_the_target_has():
    with side(DISTRIBUTION_3) as here, side(HARBOR, auth="") as there:
        image = make_image()
        push(here.store(), image, "v1")
        theirs = push(here.store(), make_referrer(image.manifest, content=b"upstream"))
        push(there.store(), image, "v1")
        own = push(there.store(), make_referrer(image.manifest, content=b"ours"))
        tag = fallback_tag(image.digest)
        there.store().put_manifest(tag, with_referrer(None, own))
        copy(here.store(), "v1", there.store(), "v1", digest_tags=True)
        listed = there.store().manifest(tag).manifests
        assert [entry.digest for entry in listed] == [own.digest, theirs.digest]


def test_digest_tags_of_every_manifest_come_along():
    with side() as here, side() as there:
        index = two_platforms()
        child = index.children[1]
        push(here.store(), index, "v1")
        signed = {
            f"{fallback_tag(index.digest)}.sig": make_image(labels={"for": "index"}),
            f"{fallback_tag(child.digest)}.att": make_image(labels={"for": "child"}),
            fallback_tag(child.digest): make_image(labels={"for": "old form"}),
            fallback_tag(index.digest): make_index({"linux/arm": make_image(platform="linux/arm")}),
        }
        for tag, image in signed.items():
            push(here.store(), image, tag)
        push(here.store(), make_image(created=None), f"{fallback_tag(Digest.of(b'x'))}.sig")
        copy(here.store(), "v1", there.store(), "v1", digest_tags=True)
        expected = {tag: str(image.digest) for tag, image in signed.items()}
        assert there.registry.tags("team/app") == {"v1": str(index.digest), **expected}
        last = [entry.path for entry in there.registry.requests if entry.method == "PUT"][-1]
        assert last == "/v2/team/app/manifests/v1"


@pytest.mark.parametrize("options", [{"referrers": True}, {"digest_tags": True}], ids=str)
def test_a_stale_list_of_referrers_does_not_stop_a_copy(options):
    with side(DISTRIBUTION_3) as here, side() as there:
        image = make_image()
        push(here.store(), image, "v1")
        gone = push(here.store(), make_referrer(image.manifest, content=b"gone"))
        kept = push(here.store(), make_referrer(image.manifest, content=b"kept"))
        del here.registry.content.repository("team/app").manifests[str(gone.digest)]
        events = []
        source, target = here.store(), there.store()
        wanted = CopyOptions(**options)
        copy_image(source, Tag("v1"), target, Tag("v1"), wanted, stop=Stop(), emit=events.append)
        assert [one.digest for one in there.store().referrers(image.digest)] == [kept.digest]
        assert any(str(gone.digest) in event.text for event in events if event.level == "warn")


def test_a_sparse_index_with_referrers_gets_whole_images_only():
    with side() as here, side(checks_references=False) as there:
        index = two_platforms()
        push(here.store(), index, "v1")
        push(here.store(), make_referrer(index.manifest))
        copy(here.store(), "v1", there.store(), "v1", platforms=(Platform("linux", "arm64"),))
        copy(here.store(), "v1", there.store(), "v1", referrers=True)
        assert whole(there.store(), "v1") == whole(here.store(), "v1")
        assert len(there.store().referrers(index.digest)) == 1
