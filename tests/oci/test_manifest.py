"""Manifests: exact bytes, kinds, what is refused, and the image that suits a platform."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import make_image, make_index, make_referrer

from regbot.errors import ContentError, Malformed, NotFound
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
)
from regbot.oci.platform import Platform

SHA = "sha256:" + "ab" * 32
ENTRY: dict[str, Any] = {"mediaType": "x/y", "digest": SHA, "size": 3}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def raw(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


class TestBytes:
    def test_are_kept_exactly(self) -> None:
        odd = b' {"layers":[],\n "config":' + raw(**ENTRY) + b',"x":"\\u00e9","schemaVersion":2}\n'
        manifest = Manifest.parse(odd)
        assert manifest.raw == odd
        assert manifest.digest == Digest.of(odd)
        assert manifest.size == len(odd)
        assert manifest.descriptor == Descriptor(OCI_MANIFEST, Digest.of(odd), len(odd))

    def test_another_algorithm(self) -> None:
        image = make_image().manifest
        found = Manifest.parse(image.raw, algorithm="sha512")
        assert found.digest == Digest.of(image.raw, "sha512")

    @given(json_values)
    def test_what_is_built_parses_to_the_same(self, extra: Any) -> None:
        data = {"mediaType": OCI_MANIFEST, "config": ENTRY, "layers": [], "x": extra}
        assert Manifest.build(data).data == data

    def test_half_a_surrogate_pair_can_be_built(self) -> None:
        data = {"mediaType": OCI_MANIFEST, "config": ENTRY, "annotations": {"a": "\ud800"}}
        assert Manifest.build(data).annotations == {"a": "\ud800"}


class TestKinds:
    @pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
    def test_images(self, media_type: str) -> None:
        image = make_image(docker=media_type == DOCKER_MANIFEST)
        found = Manifest.parse(image.manifest.raw, media_type + "; charset=utf-8")
        assert found.media_type == media_type
        assert not found.is_index
        assert found.config
        assert found.config.digest == Digest.of(image.config)
        assert [layer.digest for layer in found.layers] == list(image.blobs)[1:]
        assert found.manifests == ()

    @pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
    def test_indexes(self, media_type: str) -> None:
        index = make_index({"linux/arm/v7": make_image()}, docker=media_type == DOCKER_INDEX)
        found = Manifest.parse(index.manifest.raw)
        assert found.media_type == media_type
        assert found.is_index
        assert [str(child.platform) for child in found.manifests] == ["linux/arm/v7"]
        assert (found.layers, found.config) == ((), None)

    @pytest.mark.parametrize("said", ["", "application/json", "text/plain; charset=utf-8"])
    def test_the_shape_decides_when_nobody_says(self, said: str) -> None:
        assert Manifest.parse(raw(config=ENTRY), said).media_type == OCI_MANIFEST
        assert Manifest.parse(raw(manifests=[]), said).media_type == OCI_INDEX
        assert Manifest.parse(raw(schemaVersion=1), said).media_type == DOCKER_SCHEMA1

    def test_an_artifact_and_its_subject(self) -> None:
        image = make_image().manifest
        artifact = make_referrer(image, artifact_type="a/b").manifest
        assert artifact.artifact_type == "a/b"
        assert artifact.subject == image.descriptor
        assert image.artifact_type == "application/vnd.oci.image.config.v1+json"

    def test_a_config(self) -> None:
        image = make_image(labels={"a": "b"})
        assert image.manifest.config
        config = ImageConfig.parse(image.config, image.manifest.config)
        assert config.data["config"]["Labels"] == {"a": "b"}
        with pytest.raises(Malformed, match="config"):
            ImageConfig.parse(b"<html>", image.manifest.config)


class TestSchema1:
    @staticmethod
    def signed(payload: bytes, **header: Any) -> bytes:
        def encoded(data: bytes) -> str:
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        tail = payload.rstrip()[-1:]
        length = len(payload.rstrip()[:-1])
        fields = {"formatLength": length, "formatTail": encoded(tail), **header}
        protected = encoded(json.dumps(fields).encode())
        signature = json.dumps([{"protected": protected, "signature": "x"}]).encode()
        return payload[:length] + b',"signatures":' + signature + b"}"

    def test_the_digest_is_of_what_was_signed(self) -> None:
        payload = b'{"schemaVersion": 1, "fsLayers": [], "history": []}'
        found = Manifest.parse(self.signed(payload))
        assert found.media_type == DOCKER_SCHEMA1_SIGNED
        assert found.digest == Digest.of(payload)
        assert (found.layers, found.config) == ((), None)

    def test_only_what_was_signed_is_believed(self) -> None:
        payload = b'{"schemaVersion": 1, "name": "good"}'
        tail = base64.urlsafe_b64encode(payload).decode()
        evil = self.signed(b'{"name": "evil"}', formatLength=0, formatTail=tail)
        found = Manifest.parse(evil, DOCKER_SCHEMA1_SIGNED)
        assert found.digest == Digest.of(payload)
        assert found.data["name"] == "good"

    @pytest.mark.parametrize(
        "signatures",
        [1, [], {}, [1], [{}], [{"protected": 1}], [{"protected": "!!"}], [{"protected": "W10"}]],
    )
    def test_odd_signatures_are_no_crash(self, signatures: Any) -> None:
        content = raw(schemaVersion=1, signatures=signatures)
        assert Manifest.parse(content).digest == Digest.of(content)


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "empty"),
            (b"<!DOCTYPE html><p>Sign in", "HTML"),
            (b"\xff\xfe", "don't parse"),
            (b"[" * 100_000, "don't parse"),
            (b"[]", "not a JSON object"),
            (b"null", "not a JSON object"),
            (b"{}", "no manifest"),
            (raw(errors=[{"code": "DENIED"}]), "no manifest"),
            (raw(manifests=[1]), "not a JSON object"),
            (raw(manifests=[{}]), "no digest"),
            (raw(manifests=[{**ENTRY, "size": -1}]), "no size"),
            (raw(manifests=[{**ENTRY, "size": True}]), "no size"),
            (raw(manifests=[{**ENTRY, "size": "3"}]), "no size"),
            (raw(manifests=[{**ENTRY, "digest": "sha256:1"}]), "hex digits"),
            (raw(manifests=[{**ENTRY, "mediaType": 1}]), "media type"),
            (raw(config=ENTRY, layers={}), "not an array"),
            (raw(config=[], layers=[]), "not a JSON object"),
            (raw(config=ENTRY, subject="x"), "not a JSON object"),
            (raw(layers=[]), "no 'config'"),
        ],
    )
    def test_says_why_in_one_line(self, content: bytes, why: str) -> None:
        with pytest.raises(Malformed, match=why) as caught:
            Manifest.parse(content)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_INDEX])
    def test_an_error_answer_is_no_manifest_whatever_its_type(self, media_type: str) -> None:
        with pytest.raises(Malformed):
            Manifest.parse(b'{"errors":[]}', media_type)

    @pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, ""])
    def test_an_image_that_is_an_index_too(self, media_type: str) -> None:
        both = raw(manifests=[ENTRY], config=ENTRY, layers=[ENTRY])
        with pytest.raises(Malformed):
            Manifest.parse(both, media_type)

    def test_a_type_that_contradicts_the_body(self) -> None:
        index = make_index({"linux/amd64": make_image()}).manifest
        with pytest.raises(ContentError, match="calls itself"):
            Manifest.parse(index.raw, OCI_MANIFEST)

    @given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()), st.text())
    def test_rubbish_is_refused_or_understood(self, content: bytes, media_type: str) -> None:
        for said in (media_type, OCI_MANIFEST, OCI_INDEX, DOCKER_SCHEMA1_SIGNED):
            try:
                manifest = Manifest.parse(content, said)
            except ContentError:
                continue
            assert manifest.raw == content

    @given(
        st.dictionaries(st.sampled_from(["config", "layers", "subject", "manifests"]), json_values)
    )
    def test_odd_fields_are_refused_when_parsed_not_when_used(self, fields: Any) -> None:
        for media_type in (OCI_MANIFEST, OCI_INDEX, "application/vnd.example+json"):
            try:
                manifest = Manifest.parse(raw(**fields, mediaType=media_type))
            except ContentError:
                continue
            _ = (manifest.config, manifest.layers, manifest.subject, manifest.manifests)
            _ = (manifest.artifact_type, manifest.annotations)


class TestDescriptor:
    @pytest.mark.parametrize("size", [-1, 2**63, 10**400, 1.5, True, "1", None])
    def test_a_size_that_no_content_has_is_refused(self, size: Any) -> None:
        with pytest.raises(Malformed, match=f"the descriptor of {SHA} has no size"):
            Descriptor.from_json({**ENTRY, "digest": SHA, "size": size})

    def test_keeps_what_it_does_not_know(self) -> None:
        data = {"x": [1], "size": 3, "digest": SHA, "mediaType": "x/y", "annotations": {"a": 1}}
        found = Descriptor.from_json(data)
        assert json.dumps(found.to_json()) == json.dumps(data)
        assert found.annotations == {}
        assert found.platform is None

    @given(json_values)
    def test_rubbish_is_refused_or_understood(self, value: Any) -> None:
        for candidate in (value, {**ENTRY, "platform": value, "annotations": value}):
            try:
                found = Descriptor.from_json(candidate)
            except Malformed:
                continue
            _ = (found.platform, found.annotations, found.artifact_type)
            assert found.to_json() == candidate


class TestChildFor:
    @staticmethod
    def index(*platforms: str | None) -> Manifest:
        entries = []
        for number, text in enumerate(platforms):
            entry = {**ENTRY, "digest": f"sha256:{number:064}"}
            if text is not None:
                one = Platform.parse(text)
                entry["platform"] = {"os": one.os, "architecture": one.architecture}
                entry["platform"] |= {"variant": one.variant, "os.version": one.os_version}
            entries.append(entry)
        return Manifest.build({"mediaType": OCI_INDEX, "manifests": entries})

    def chosen(self, wanted: str | None, *platforms: str | None) -> int:
        index = self.index(*platforms)
        child = index.child_for(Platform.parse(wanted) if wanted else None)
        return index.manifests.index(child)

    @pytest.mark.parametrize(
        ("wanted", "platforms", "expected"),
        [
            ("linux/arm64", ("linux/amd64", "linux/arm64"), 1),
            ("linux/arm/v7", ("linux/arm/v5", "linux/arm/v7", "linux/arm/v6"), 1),
            ("linux/arm/v7", ("linux/arm64", "linux/arm/v5", "linux/arm/v6"), 2),
            ("linux/arm", ("linux/arm/v6", "linux/arm/v7"), 1),
            ("linux/arm64", ("linux/arm/v7", "linux/arm64/v8"), 1),
            ("linux/amd64", ("unknown/unknown", "linux/amd64", "unknown/unknown"), 1),
            ("linux/amd64", ("linux/amd64", "linux/amd64"), 0),
            (
                "windows/amd64,osver=10.0.20348.1",
                ("windows/amd64,osver=10.0.17763.9", "windows/amd64,osver=10.0.20348.2"),
                1,
            ),
            (
                "windows/amd64,osver=10.0.20348.1",
                ("windows/amd64,osver=10.0.20348.2", "windows/amd64,osver=10.0.20348.1"),
                1,
            ),
        ],
    )
    def test_the_best_of_several(
        self, wanted: str, platforms: tuple[str, ...], expected: int
    ) -> None:
        assert self.chosen(wanted, *platforms) == expected

    def test_none_suits(self) -> None:
        with pytest.raises(NotFound, match=r"linux/s390x .*there: linux/amd64, linux/arm/v7"):
            self.chosen("linux/s390x", "linux/amd64", "unknown/unknown", "linux/arm/v7")
        with pytest.raises(NotFound, match="there: none"):
            self.chosen("linux/amd64")
        with pytest.raises(NotFound):
            self.chosen("linux/arm/v6", "linux/arm/v7")

    def test_without_a_wish_the_local_one_then_the_only_one(self) -> None:
        assert self.chosen(None, "plan9/mips", str(Platform.local())) == 1
        assert self.chosen(None, "unknown/unknown", "plan9/mips") == 1
        assert self.chosen(None, "plan9/mips", "plan9/mips") == 0
        assert self.chosen(None, None) == 0
        with pytest.raises(NotFound):
            self.chosen(None, "plan9/mips", "plan9/sparc")
