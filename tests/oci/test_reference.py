"""References: docker's defaults, layout folders, and clear errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference, parse_registry
from regbot.oci.tag import Tag

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3.20", "docker.io/library/alpine:3.20"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine:latest"),
        ("registry-1.docker.io/team/app:v1", "docker.io/team/app:v1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("registry:5000/app:v1", "registry:5000/app:v1"),
        ("Registry/app", "Registry/app:latest"),
        ("registry.example.org/a/b/c:v1", "registry.example.org/a/b/c:v1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("[2001:db8::1]/app:v1", "[2001:db8::1]/app:v1"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}"),
        (f"app:v1@{DIGEST}", f"docker.io/library/app:v1@{DIGEST}"),
        ("a__b/c.d/e--f:T_-.x", "docker.io/a__b/c.d/e--f:T_-.x"),
        ("ocidir://path", "ocidir://path:latest"),
        ("ocidir:///abs/path:v1", "ocidir:///abs/path:v1"),
        ("ocidir://../up/x:v1", "ocidir://../up/x:v1"),
        (f"ocidir://path@{DIGEST}", f"ocidir://path@{DIGEST}"),
        (f"ocidir://a:b/path:v1@{DIGEST}", f"ocidir://a:b/path:v1@{DIGEST}"),
        ("ocidir:///home/me@work/images:v1", "ocidir:///home/me@work/images:v1"),
        ("ocidir://My Images/é:v1", "ocidir://My Images/é:v1"),
    ],
)
def test_what_is_left_out_is_filled_in(text: str, whole: str) -> None:
    assert str(Reference.parse(text)) == whole
    assert Reference.parse(whole) == Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "repository is missing"),
        ("docker.io/", "repository is missing"),
        ("App", "'A' at column 1"),
        ("registry.example.org/team/aPp", "'P' at column 28"),
        ("team//app", "empty part"),
        ("app:", "tag is empty"),
        ("app:-x", "not beginning with"),
        ("app:" + "x" * 129, "longer than 128"),
        ("a/" + "x" * 260, "longer than 255"),
        ("app@sha256:12", "64 lower-case hex digits"),
        ("app@md5:12", "digest 'md5:12' does not start with"),
        ("https://registry.example.org/app", "remove the scheme"),
        ("registry.example.org:99999/app", "host name"),
        ("-bad-.org/app", "host name"),
        ("[::zz]:5000/app", "host name"),
        ("[1:2:3]/app", "host name"),
        ("registry.example.org:٣/app", "host name"),
        ("app\n", "not allowed"),
        ("app name", "not allowed"),
        ("ocidir://", "folder"),
        ("ocidir://:v1", "folder"),
        ("ocidir://a:b:c", "colon"),
        ("ocidir://a\x00b", "control character"),
        ("ocidir://a\nb", "control character"),
        ("ocidir://a:", "tag is empty"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(InvalidValue, match=why) as caught:
        Reference.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_rubbish_is_refused_or_understood(text: str) -> None:
    for candidate in (text, f"ocidir://{text}", f"localhost/{text}", f"app:{text}", f"a@{text}"):
        try:
            reference = Reference.parse(candidate)
        except InvalidValue:
            continue
        assert Reference.parse(str(reference)) == reference


component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
host = st.one_of(
    st.just("localhost"),
    st.from_regex(r"[a-z0-9]{1,8}\.[a-z]{2,5}(:[1-9][0-9]{0,3})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:5000"),
)
tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(host, st.lists(component, min_size=1, max_size=4), tag, st.booleans(), st.booleans())
def test_parse_and_print_agree(
    host: str, components: list[str], tag: str, tagged: bool, digested: bool
) -> None:
    path = "/".join(components)
    text = f"{host}/{path}" + (f":{tag}" if tagged else "") + (f"@{DIGEST}" if digested else "")
    reference = Reference.parse(text)
    assert (reference.registry, reference.repository) == (host, path)
    assert str(reference.name) == (DIGEST if digested else tag if tagged else "latest")
    assert Reference.parse(str(reference)) == reference


def test_another_name_in_the_same_repository() -> None:
    reference = Reference.parse(f"localhost/app:v1@{DIGEST}")
    assert str(reference.with_tag(Tag("v2"))) == "localhost/app:v2"
    assert str(reference.with_digest(Digest.parse(DIGEST))) == f"localhost/app@{DIGEST}"
    for name in (Tag("v2"), Digest.of(b"another")):
        assert reference.with_name(name).name == name
    assert str(reference.without_name) == "localhost/app"
    with pytest.raises(InvalidValue, match="neither a tag nor a digest"):
        _ = reference.without_name.name


@pytest.mark.parametrize("text", ["", "a/b", "a:b", "-a", ".a", "a" * 129, "\ud800", "é"])
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="tag"):
        Tag.parse(text)


def test_a_default_tag_can_be_left_out() -> None:
    assert Reference.parse("localhost/app", default_tag=None).tag is None


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "Registry-1.docker.io"])
def test_docker_hub_has_one_name(name: str) -> None:
    assert parse_registry(name) == "docker.io"


@given(tag)
def test_tags_can_end_in_no_newline(tag: str) -> None:
    assert Tag.parse(tag) == tag
    with pytest.raises(InvalidValue):
        Tag.parse(tag + "\n")


@pytest.mark.parametrize("repository", ["registry.example.org:5000/team/app", "ocidir://images"])
def test_references_of_one_repository_share_what_they_have_in_common(repository: str) -> None:
    first, second = (Reference.parse(f"{repository}:{tag}") for tag in ("v1", "v2"))
    assert first.registry is second.registry
    assert first.repository is second.repository


def test_a_text_of_a_kind_of_its_own_is_read_as_any_other() -> None:
    class Marked(str):
        __slots__ = ()

    for text in ("team/app", "alpine", "ocidir://images"):
        assert Reference.parse(Marked(text)) == Reference.parse(text)


@pytest.mark.parametrize("read", [Reference.parse, parse_registry])
@pytest.mark.parametrize(
    "text",
    [
        "https://user:p4ss@registry.example.org/app",
        "https://p4ss@registry.example.org",
        "user:p4ss@registry.example.org/app:v1",
        "user:p4@ss:p4ss@localhost/app",
    ],
)
def test_a_password_in_a_name_is_not_shown(read, text):
    with pytest.raises(InvalidValue) as caught:
        read(text)
    assert "p4" not in str(caught.value)
    assert "registry login" in str(caught.value)
