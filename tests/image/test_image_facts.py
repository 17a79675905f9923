"""Walks, sizes and dates of images."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from support.images import (
    Image,
    descriptor,
    make_image,
    make_index,
    make_layer,
    make_referrer,
    push,
)
from support.pairs import layout, side
from support.registry import DISTRIBUTION_3

from regbot.errors import NotFound, SizeMismatch
from regbot.image.facts import CREATED, created, image_size, parse_date
from regbot.image.graph import walk
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Manifest
from regbot.oci.platform import Platform
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag


@pytest.fixture
def store(tmp_path):
    return layout(tmp_path / "layout")


def two_platforms():
    return make_index(
        {
            "linux/amd64": make_image(layers=[make_layer("base"), make_layer("amd")]),
            "linux/arm64": make_image(
                platform="linux/arm64", layers=[make_layer("base"), make_layer("arm64")]
            ),
        }
    )


def test_the_size_counts_shared_blobs_once(store):
    index = two_platforms()
    push(store, index, "v1")
    layers = [make_layer(text) for text in ("base", "amd", "arm64")]
    configs = [child.config for child in index.children]
    assert image_size(store, Tag("v1")) == sum(len(content) for content in (*layers, *configs))


def test_the_size_of_a_sparse_index_is_that_of_what_is_there(store):
    index = two_platforms()
    push(store, index.children[0])
    store.put_manifest(Tag("v1"), index.manifest)
    assert image_size(store, Tag("v1")) == image_size(store, index.children[0].digest)


def test_the_size_of_what_is_not_there_is_an_error(store):
    push(store, make_image(), "v1")
    with pytest.raises(NotFound):
        image_size(store, Tag("v2"))


def test_a_walk_gives_each_manifest_once_and_children_first():
    with side(DISTRIBUTION_3) as place:
        store = place.store()
        index = two_platforms()
        push(store, index, "v1")
        signature = push(store, make_referrer(index.manifest))
        push(store, make_referrer(signature, content=b"of the signature"))
        tag = f"{fallback_tag(index.digest)}.sig"
        push(store, make_image(labels={"a": "signature"}), tag)
        plain = [one.digest for one, _ in walk(store, Tag("v1"))]
        assert plain == [*(child.digest for child in index.children), index.digest]
        everything = [
            one.digest for one, _ in walk(store, Tag("v1"), referrers=True, digest_tags=True)
        ]
        assert len(everything) == len(set(everything))
        assert set(plain) < set(everything)
        assert store.head(Tag(tag)).digest in everything
        assert signature.digest in everything


def test_a_digest_tag_that_leads_back_to_its_image_ends_no_walk_in_a_circle():
    with side() as place:
        image = make_image()
        push(place.store(), image, "v1")
        place.registry.tag("team/app", f"{fallback_tag(image.digest)}.sig", str(image.digest))
        found = list(walk(place.store(), Tag("v1"), referrers=True, digest_tags=True))
        assert [manifest for _, manifest in found] == [image.manifest]


DAY = datetime(2024, 5, 1, 10, tzinfo=UTC)


def labelled(text, **how):
    return make_image(labels={CREATED: text}, **how)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (make_image(created="2024-05-01T10:00:00Z"), DAY),
        (
            make_image(created="2024-05-01T12:00:00.123456789+02:00"),
            DAY.replace(microsecond=123456),
        ),
        (make_image(created=None), None),
        (make_image(created="1970-01-01T00:00:00Z"), None),
        (make_image(created="2013-03-19T23:59:59Z"), None),
        (make_image(created="2013-03-20T00:00:00Z"), datetime(2013, 3, 20, tzinfo=UTC)),
        (make_image(created="0001-01-01T00:00:00Z"), None),
        (make_image(created="yesterday"), None),
        (make_image(created=None, annotations={CREATED: "2024-05-01T10:00:00Z"}), DAY),
        (labelled("2024-05-01T10:00:00Z", created="1980-01-01T00:00:00Z"), DAY),
        (labelled("2020-05-01T10:00:00Z", created="2024-05-01T10:00:00Z"), DAY),
        (labelled("no date", created=None), None),
        (make_image(created=5), None),
    ],
)
def test_the_date_of_an_image(store, image, expected):
    push(store, image, "v1")
    assert created(store, Tag("v1")) == expected


def dated_index(dates, **how):
    children = {
        platform: make_image(created=date, platform=platform) for platform, date in dates.items()
    }
    return make_index(children, **how)


OLD, NEW = "2020-01-01T00:00:00Z", "2024-05-01T10:00:00Z"


def test_an_index_is_as_old_as_its_annotation_says(store):
    image = dated_index({str(Platform.local()): OLD}, annotations={CREATED: NEW})
    push(store, image, "v1")
    assert created(store, Tag("v1")) == DAY


def test_an_index_is_as_old_as_the_image_for_this_machine(store):
    push(store, dated_index({"linux/s390x": OLD, str(Platform.local()): NEW}), "v1")
    assert created(store, Tag("v1")) == DAY


def test_an_index_is_as_old_as_the_image_for_the_platform_asked_for(store):
    push(store, dated_index({"linux/s390x": NEW, str(Platform.local()): OLD}), "v1")
    assert created(store, Tag("v1"), Platform.parse("linux/s390x")) == DAY
    with pytest.raises(NotFound, match="windows"):
        created(store, Tag("v1"), Platform.parse("windows/amd64"))


@pytest.mark.parametrize(("other", "expected"), [(OLD, DAY), (None, None)])
def test_an_index_without_this_machine_s_platform_is_as_old_as_its_newest(store, other, expected):
    push(store, dated_index({"linux/s390x": NEW, "linux/riscv64": other}), "v1")
    assert created(store, Tag("v1")) == expected


def test_the_config_of_an_artifact_is_not_read(store):
    artifact = make_referrer(make_image().manifest, annotations={CREATED: NEW})
    push(store, artifact, "v1")
    assert created(store, Tag("v1")) == DAY


def test_a_config_over_the_limit_is_an_error(store):
    config = json.dumps({"created": NEW, "padding": "x" * 1000}).encode()
    data = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    manifest = Manifest.build({**data, "config": descriptor(config, OCI_CONFIG)})
    push(store, Image(manifest, config, {Digest.of(config): config}), "v1")
    assert created(store, Tag("v1")) == DAY
    with pytest.raises(SizeMismatch, match="limit of 100"):
        created(store, Tag("v1"), blob_limit=100)


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-05-01", "2024-05-01T10:00:00", "2024-13-01T00:00:00Z", None, [], "٢٠٢٤",
     "9999-12-31T23:59:59-23:59", "2024-05-01T10:00:00Z and more"],
)  # fmt: skip
def test_what_is_no_whole_date_is_not_guessed_at(text):
    assert parse_date(text) is None
