"""Which tags a sync entry takes, and where it puts them."""

from __future__ import annotations

import pytest

from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.sync.rules import Sync, TagRules, fields_of

TAGS = [Tag(text) for text in ("1.0", "1.1", "2.0", "2.0-rc1", "latest", "edge")]


def expressions(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern.parse(f"regex:{text}") for text in texts)


def sync(source: str = "example.org/app", target: str = "b.example.org/app", *sets: TagRules):
    return Sync(Reference.parse(source, default_tag=None), target, sets)


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        (TagRules(), TAGS),
        (TagRules(allow=expressions("1", r"1\.\d")), ["1.0", "1.1"]),
        (TagRules(deny=expressions("latest", "edge", ".*rc.*")), ["1.0", "1.1", "2.0"]),
        (TagRules(allow=expressions(".*0"), deny=expressions("2.*")), ["1.0"]),
        (TagRules(ranges=(">=1.1 <2",)), ["1.1"]),
        (TagRules(ranges=("<1.1", ">=2")), ["1.0", "2.0"]),
        (TagRules(allow=expressions("2.*"), ranges=(">=1",)), ["2.0"]),
    ],
)
def test_a_tag_has_to_fit_all_that_rules_say(rules, taken):
    assert sync("example.org/app", "b.example.org/app", rules).chosen(TAGS) == taken


def test_what_one_of_several_sets_takes_is_copied_once_and_in_the_order_of_the_listing():
    sets = (TagRules(allow=expressions("edge", "1.0")), TagRules(ranges=("1.x",)))
    assert sync("example.org/app", "b.example.org/app", *sets).chosen(TAGS) == [
        "1.0",
        "1.1",
        "edge",
    ]


def test_the_target_is_an_image_a_repository_or_what_repositories_are_put_after():
    app = Reference.parse("example.org/team/app", default_tag=None)
    assert str(sync("example.org/app:1", "b.example.org/x").target_of(app)) == (
        "b.example.org/x:latest"
    )
    assert str(sync().target_of(app)) == "b.example.org/app"
    assert str(Sync(None, "b.example.org/copies").target_of(app)) == "b.example.org/copies/team/app"
    assert str(Sync(None, "ocidir://store").target_of(app)) == "ocidir://store/team/app"


def test_a_name_that_becomes_too_long_is_an_error():
    long = Reference.parse(f"example.org/{'a' * 200}", default_tag=None)
    with pytest.raises(InvalidValue, match="longer than"):
        Sync(None, f"b.example.org/{'b' * 100}").target_of(long)


def test_a_backup_may_name_the_parts_of_the_target():
    fields = fields_of(Reference.parse("b.example.org:5000/team/app:v1"))
    assert fields[".Ref.Registry"] == "b.example.org:5000"
    assert (fields[".Ref.Repository"], fields[".Ref.Tag"]) == ("team/app", "v1")
