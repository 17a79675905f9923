"""Images as sources write them: what each names, and what a rewrite makes of it."""

from __future__ import annotations

import pytest

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.uses import Uses
from regbot.rules.in_use.mention import Mention, Rewrite

HEX = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
OTHER = "6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
DIGEST = Digest("sha256", HEX)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/team/app:v1", "docker.io/team/app:v1"),
        ("registry.example.org:5000/app:v1", "registry.example.org:5000/app:v1"),
        (f"app:v1@sha256:{HEX}", f"docker.io/library/app:v1@sha256:{HEX}"),
        (f"docker-pullable://reg.example/app@sha256:{HEX}", f"reg.example/app@sha256:{HEX}"),
        ("ocidir://layout:v1", "ocidir://layout:v1"),
    ],
)
def test_a_reference_is_read_with_docker_s_defaults(text, reference):
    mention = Mention.parse(text, "line 1")
    assert str(mention.reference) == reference
    assert mention.digest == (DIGEST if HEX in text else None)


@pytest.mark.parametrize("text", [HEX, f"sha256:{HEX}", f"docker://sha256:{HEX}"])
def test_an_id_is_a_digest_alone(text):
    mention = Mention.parse(text, "pod prod/web")
    assert (mention.reference, mention.digest) == (None, DIGEST)
    uses = Uses([mention.use(())])
    assert uses.may_be_configs
    assert uses.of_digest(DIGEST) == "pod prod/web"


@pytest.mark.parametrize("text", ["", "App:v1", "app:", "app@sha256:12", "a b", "app:v1@md5:0"])
def test_anything_else_is_no_image(text):
    with pytest.raises(InvalidValue):
        Mention.parse(text, "line 1")


def used(text: str, *rewrites: tuple[str, str]) -> Uses:
    parsed = tuple(Rewrite.parse(*rewrite) for rewrite in rewrites)
    return Uses([Mention.parse(text, "line 1").use(parsed)])


def is_used(uses: Uses, text: str) -> bool:
    reference = Reference.parse(text)
    return bool(uses.of_tag(reference.tag, [reference.without_name]))


@pytest.mark.parametrize(
    ("rewrite", "text", "other"),
    [
        (("mirror.example/hub", "docker.io"), "mirror.example/hub/team/a:1", "team/a:1"),
        (("mirror.example/hub", "docker.io"), "mirror.example/hub/nginx:1", "nginx:1"),
        (("docker.io", "mirror.example/hub"), "nginx:1", "mirror.example/hub/library/nginx:1"),
        (("localhost:5000", "reg.example/x"), "localhost:5000/a:1", "reg.example/x/a:1"),
        (("reg.example/a", "reg.example/b"), "reg.example/a:1", "reg.example/b:1"),
        (("mirror.example", "docker.io"), "Mirror.example/team/a:1", "team/a:1"),
        (("mirror.example", "docker.io"), "mirror.example:443/team/a:1", "team/a:1"),
        (("Mirror.example:443/hub", "docker.io"), "mirror.example/hub/team/a:1", "team/a:1"),
    ],
)
def test_a_rewritten_image_is_used_by_both_names(rewrite, text, other):
    uses = used(text, rewrite)
    assert is_used(uses, text)
    assert is_used(uses, other)
    assert not is_used(uses, f"{other}1")


def test_a_prefix_ends_at_a_slash():
    uses = used("mirror.example/hubs/a:1", ("mirror.example/hub", "docker.io"))
    assert not is_used(uses, "docker.io/s/a:1")
    assert is_used(uses, "mirror.example/hubs/a:1")


@pytest.mark.parametrize("prefix", ["", "hub", "http://reg.example", "reg.example/A"])
def test_a_prefix_begins_with_a_registry(prefix):
    with pytest.raises(InvalidValue):
        Rewrite.parse(prefix, "docker.io")


def test_hosts_are_the_same_in_any_case_and_with_the_default_port():
    uses = used("Reg.Example/app:1")
    assert is_used(uses, "reg.example:443/app:1")
    assert not is_used(uses, "reg.example:5000/app:1")


def test_both_a_tag_and_its_old_digest_are_in_use():
    uses = used(f"reg.example/app:v1@sha256:{HEX}")
    assert is_used(uses, "reg.example/app:v1")
    assert uses.of_digest(DIGEST)
    assert not uses.of_digest(Digest("sha256", OTHER))
    assert not uses.may_be_configs


def test_users_are_counted():
    uses = Uses(Mention.parse("app:1", f"pod {n}").use(()) for n in ("a", "b", "b", "c"))
    assert uses.of_tag("1", [Reference.parse("app").without_name]) == "pod a and 2 more"
