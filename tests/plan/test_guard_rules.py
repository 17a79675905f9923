"""The rules of a guard, each judged on plain facts of a plan."""

from dataclasses import replace

import pytest

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.guard import Doomed, Guard, Losses, Protection, broken_rules

NOW = 1_750_000_000.0
DAY = 86400.0
APP = Reference.parse("registry.example.org:5000/team/app", default_tag=None)
DIGEST = "sha256:" + "ab" * 32


def protect(*texts):
    return tuple(Protection.parse(text) for text in texts)


def losses(*tags, before=10, created=None, repository=APP):
    doomed = tuple(Doomed(repository.with_tag(tag), created) for tag in tags)
    others = [Tag(f"kept{number}") for number in range((before or 0) - len(tags))]
    listed = None if before is None else frozenset([*map(Tag, tags[:before]), *others])
    return Losses((repository,), listed, doomed)


def broken(guard, *plan):
    return broken_rules(guard, plan, NOW)


@pytest.mark.parametrize(
    ("pattern", "fits", "leaves"),
    [
        ("latest", ["latest"], ["latest2", "not-latest", "Latest"]),
        ("v*", ["v", "v1.2"], ["rv1"]),
        ("v[0-9]", ["v1"], ["va", "v10"]),
        ("regex:release-.*", ["release-1"], ["a-release-1", "release"]),
        ("regex:a|b", ["a", "b"], ["ab", "bb"]),
        ("team/app:keep*", ["keep1"], ["other"]),
        ("team/*:keep*", ["keep1"], ["other"]),
        ("other/app:*", [], ["keep1"]),
        ("registry.example.org:5000/team/app:keep", ["keep"], ["keep1"]),
        ("registry.example.com:5000/team/app:keep", [], ["keep"]),
        ("regex:.*/app:k.*", ["keep"], ["other"]),
        ("*", ["any"], []),
    ],
)
def test_a_pattern_fits_a_tag_as_a_whole(pattern, fits, leaves):
    found = Protection.parse(pattern)
    assert [tag for tag in fits + leaves if found.fits(APP.with_tag(tag))] == fits


@pytest.mark.parametrize("text", ["", "regex:", "regex:(", "regex:*"])
def test_a_broken_pattern_is_refused(text):
    with pytest.raises(InvalidValue):
        Protection.parse(text)


def test_no_rule_is_no_guard():
    assert not Guard().is_set
    assert broken(Guard(), losses("a", before=1)) == []
    for rule in (Guard(max_deletes=0), Guard(keep_at_least=0), Guard(min_age=0.0)):
        assert rule.is_set


def test_rules_of_a_script_win_and_patterns_of_both_count():
    own = Guard(max_deletes=0, protect=protect("a", "b"))
    defaults = Guard(5, 50.0, protect("b", "c"), DAY, 3)
    assert own.over(defaults) == Guard(0, 50.0, protect("a", "b", "c"), DAY, 3)
    assert Guard().over(defaults) == defaults


def test_max_deletes_counts_the_whole_plan():
    other = APP.with_tag(Tag("x")).without_name
    plan = (losses("a", "b"), losses("c", repository=other))
    assert broken(Guard(max_deletes=3), *plan) == []
    (line,) = broken(Guard(max_deletes=1), *plan)
    assert line == f"maxDeletes 1: 3 would go (2 of {APP}, 1 of {other}), 2 too many"
    assert broken(Guard(max_deletes=0), *plan) != []


def test_a_manifest_counts_as_one_delete():
    doomed = (Doomed(APP.with_digest(Digest.parse(DIGEST))), Doomed(APP.with_tag(Tag("a"))))
    gone = replace(losses("a"), doomed=doomed)
    text = f"maxDeletes 1: 2 would go (2 of {APP}), 1 too many"
    assert broken(Guard(max_deletes=1), gone) == [text]
    assert broken(Guard(max_delete_percent=10), gone) == []


def test_max_delete_percent_is_of_each_repository():
    guard = Guard(max_delete_percent=30)
    assert broken(guard, losses("a", "b", "c")) == []
    (line,) = broken(guard, losses("a", "b", "c", "d"))
    assert line == f"maxDeletePercent 30: 4 of 10 tags of {APP} would go, 40.0 %"
    assert broken(guard, losses("a", "a", "a", "a")) == []


@pytest.mark.parametrize("before", [0, 1])
def test_tags_that_were_not_listed_are_all_there_are(before):
    (line,) = broken(Guard(max_delete_percent=99), losses("a", "b", before=before))
    assert line.startswith("maxDeletePercent 99: ")
    (line,) = broken(Guard(keep_at_least=1), losses("a", "b", before=before))
    assert line == f"keepAtLeast 1: {APP} would keep 0 tags, 1 too few"


def test_keep_at_least_is_for_repositories_that_lose_something():
    guard = Guard(keep_at_least=3)
    assert broken(guard, losses("a", before=4)) == []
    assert broken(guard, losses(before=1)) == []
    (line,) = broken(guard, losses("a", "b", before=4))
    assert line == f"keepAtLeast 3: {APP} would keep 2 tags, 1 too few"


def test_tags_that_could_not_be_counted_break_the_rules_about_counts():
    for guard in (Guard(max_delete_percent=100), Guard(keep_at_least=0)):
        (line,) = broken(guard, losses("a", before=None))
        assert "could not be counted" in line
        assert str(APP) in line
    assert broken(Guard(max_deletes=1), losses("a", before=None)) == []


def test_min_age():
    guard = Guard(min_age=7 * DAY)
    assert broken(guard, losses("a", created=NOW - 7 * DAY)) == []
    (line,) = broken(guard, losses("a", created=NOW - 5 * DAY))
    assert line == f"minAge 7d: {APP}:a is 2d too young"
    (line,) = broken(guard, losses("a", created=NOW + DAY))
    assert line.endswith("is 8d too young")
    (line,) = broken(guard, losses("a"))
    assert line == f"minAge 7d: the age of {APP}:a is unknown"


def test_every_broken_rule_is_said():
    guard = Guard(0, 1.0, protect("a"), DAY, 10)
    lines = broken(guard, losses("a", "b", created=NOW))
    rules = [line.split()[0] for line in lines]
    assert rules == ["maxDeletes", "maxDeletePercent", "keepAtLeast", "protect", "minAge"]


def test_of_many_tags_that_break_a_rule_the_first_are_named():
    (line,) = broken(Guard(protect=protect("t*")), losses(*(f"t{n}" for n in range(10))))
    first = ", ".join(f"{APP}:t{n} is protected" for n in range(3))
    assert line == f"protect t*: {first}, and 7 more"


def test_rules_name_where_they_were_read():
    rule = replace(Protection.parse("a"), place="bot.yml:4")
    guard = Guard(0, protect=(rule,), places={"maxDeletes": "bot.yml:3"})
    deletes, protection = broken(guard, losses("a"))
    assert deletes.startswith("maxDeletes 0 (bot.yml:3): ")
    assert protection.startswith("protect a (bot.yml:4): ")
    assert guard == Guard(0, protect=protect("a"))
