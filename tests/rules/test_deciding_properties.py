"""What holds for any policy: 200 of them, over repositories of all kinds."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.retained import NOW, Repository, Used, digest, image, policy, signature_of

from regbot.rules.content import Facts
from regbot.rules.deciding import decide
from regbot.units import parse_duration

TAGS = [
    *("latest", "v1.0.0", "v1.1.0", "v1.2.0-rc.1", "v01", "main", "x"),
    *(f"ci-{branch}-{n}" for branch in "ab" for n in range(4)),
]
NAMES = [f"image{n}" for n in range(6)]
PATTERNS = ["*", "v*", "ci-*", "ci-a-*", "latest", "regex:v\\d+(\\.\\d+)*", "main"]
LABELS = st.dictionaries(st.sampled_from(["keep", "branch"]), st.sampled_from(["a", "b"]))


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, Facts]:
    """Tags on a few images, some of them indexes of others, and signatures."""
    shapes = {
        name: image(
            name,
            draw(st.none() | st.integers(0, 5)),
            lists=draw(st.lists(st.sampled_from(NAMES[:number]), max_size=2)) if number else (),
            **draw(LABELS),
        )
        for number, name in enumerate(NAMES)
    }
    tags = draw(st.lists(st.sampled_from(TAGS), min_size=1, unique=True))
    images = {tag: shapes[draw(st.sampled_from(NAMES))] for tag in tags}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
        images[signature_of(name)] = image(f"signature of {name}", 1)
    return images


AGES = st.fixed_dictionaries({"than": st.sampled_from(["1d", "2d", "3d"])})
NEWEST = st.fixed_dictionaries(
    {"count": st.integers(1, 3), "by": st.sampled_from(["created", "semver", "name"])},
    optional={"per": st.sampled_from(["ci-(.)-.*", "(.).*"])},
)


def excludes_all(rule):
    """Whether nothing is of both ages, which is a mistake."""
    if not {"newer", "older"} <= rule.keys():
        return False
    newer, older = (parse_duration(rule[key]["than"]) for key in ("newer", "older"))
    return newer <= older


RULES = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        "newest": NEWEST,
        "newer": AGES,
        "older": AGES,
        "labels": st.sampled_from([{"keep": "a"}, {"branch": "b"}, {"keep": "a", "branch": "b"}]),
        "inUse": st.just(True),
    },
).filter(lambda rule: rule and not excludes_all(rule))
POLICIES = st.fixed_dictionaries(
    {"keep": st.lists(RULES, min_size=1, max_size=4)},
    optional={
        "delete": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        "referrers": st.sampled_from(["with-subject", "keep"]),
    },
)
USED = st.builds(
    Used,
    st.lists(st.sampled_from(TAGS), max_size=1),
    st.lists(st.sampled_from([digest(name) for name in NAMES]), max_size=1),
)
over_policies = settings(max_examples=100)


def outcome(images: dict[str, Facts], rules: dict[str, Any], used: Used) -> dict[str, Any]:
    """Each tag with its decision, but for what a listing's order may word otherwise."""
    rules = {**rules, "allowEmpty": True}
    decisions = decide(Repository(images), policy(*rules.pop("keep"), **rules), NOW, used)
    return {str(each.tag): (each.keep, each.rule, each.reason) for each in decisions.all}


def deleted(images: dict[str, Facts], rules: dict[str, Any], used: Used) -> set[str]:
    return {tag for tag, (keep, _, _) in outcome(images, rules, used).items() if not keep}


@over_policies
@given(repositories(), POLICIES, USED, st.randoms(use_true_random=False))
def test_decisions_do_not_depend_on_the_order_of_tags(images, rules, used, shuffle: random.Random):
    tags = list(images)
    shuffle.shuffle(tags)
    assert outcome({tag: images[tag] for tag in tags}, rules, used) == outcome(images, rules, used)


@over_policies
@given(repositories(), POLICIES, USED, RULES, st.integers(0, 4))
def test_another_keep_rule_never_deletes_more(images, rules, used, rule, place):
    keep = list(rules["keep"])
    keep.insert(place, rule)
    more = deleted(images, {**rules, "keep": keep}, used)
    assert more <= deleted(images, rules, used)


@over_policies
@given(repositories(), POLICIES, USED, st.data())
def test_knowing_less_never_deletes_more(images, rules, used, data):
    before = deleted(images, rules, used)
    for tag in data.draw(st.lists(st.sampled_from(sorted(images)), min_size=1, unique=True)):
        loss = data.draw(st.sampled_from(["date", "config", "manifest", "all"]))
        images = {
            name: lost(facts, loss) if facts.digest == images[tag].digest else facts
            for name, facts in images.items()
        }
    assert deleted(images, rules, used) <= before


def lost(facts: Facts, loss: str) -> Facts:
    """What is known without a date, a readable config or manifest, or anything."""
    if loss == "date":
        return replace(facts, created=None)
    if loss == "config":
        return replace(facts, created=None, labels=(), problem="the config can't be read")
    if loss == "manifest":
        without = replace(facts, below=frozenset(), created=None, labels=())
        return replace(without, problem="the manifest can't be read")
    return Facts(problem="nothing can be read")


@over_policies
@given(repositories(), POLICIES, USED)
def test_no_tag_is_read_that_its_name_decides(images, rules, used):
    """Kept by its name, in no ranking, and no index or signature is about to go."""
    plain = {
        tag: replace(facts, is_index=False, below=frozenset())
        for tag, facts in images.items()
        if not tag.startswith("sha256-")
    }
    repository = Repository(plain)
    more = {**rules, "allowEmpty": True}
    decide(repository, policy(*more.pop("keep"), **more), NOW, used)
    by_name = [rule for rule in policy(*rules["keep"]).keep if rule.depth == "name"]
    ranked = [rule for rule in policy(*rules["keep"]).keep if rule.newest]
    for tag in plain:
        if any(rule.fits(tag) for rule in by_name) and not any(rule.fits(tag) for rule in ranked):
            assert tag not in repository.asked
