"""The list of referrers that clients keep up at a tag."""

from __future__ import annotations

import pytest
from support.images import make_image, make_referrer

from regbot.errors import Malformed
from regbot.oci.digest import Digest
from regbot.oci.manifest import DOCKER_INDEX, Manifest
from regbot.oci.referrers import fallback_tag, with_referrer, without_referrer

SUBJECT = make_image().manifest
ONE = make_referrer(SUBJECT, annotations={"n": "1"}).manifest
TWO = make_referrer(SUBJECT, content=b"2").manifest


def test_the_tag_is_a_tag_for_long_digests_too() -> None:
    assert fallback_tag(Digest("sha256", "ab" * 32)) == "sha256-" + "ab" * 32
    assert fallback_tag(Digest("sha512", "ab" * 64)) == "sha512-" + "ab" * 32


def test_grows_and_shrinks_to_nothing() -> None:
    both = with_referrer(with_referrer(None, ONE), TWO)
    assert [one.digest for one in both.manifests] == [ONE.digest, TWO.digest]
    assert both.manifests[0].artifact_type == "application/vnd.example.signature"
    assert both.manifests[0].annotations == {"n": "1"}
    assert with_referrer(both, ONE) is both
    left = without_referrer(both, ONE.digest)
    assert left
    assert [one.digest for one in left.manifests] == [TWO.digest]
    assert without_referrer(left, ONE.digest) is left
    assert without_referrer(left, TWO.digest) is None


def test_what_others_wrote_in_it_is_kept() -> None:
    entry = {**SUBJECT.descriptor.to_json(), "x": 1}
    fields = {"mediaType": DOCKER_INDEX, "annotations": {"a": "b"}, "y": None}
    grown = with_referrer(Manifest.build({**fields, "manifests": [entry]}), ONE)
    assert {**grown.data, "manifests": []} == {**fields, "manifests": []}
    assert grown.data["manifests"][0] == entry


def test_an_image_is_no_list() -> None:
    with pytest.raises(Malformed):
        with_referrer(SUBJECT, ONE)
    with pytest.raises(Malformed):
        without_referrer(SUBJECT, ONE.digest)
