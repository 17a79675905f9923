"""The rules of other tools as ours: small models of theirs decide the same.

The models know one date of an image, since that is what can be asked of any registry. Where
other tools cut ties by chance, or count tags that share an image twice, ours keeps more;
so every tag here has an image of its own with a date of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.retained import image, kept

TAGS = [
    *("latest", "master", "v1.0", "v1.1", "v2.0", "prod-web", "prod-db", "web"),
    *(f"ci-{n}" for n in range(4)),
    *(f"pr-{n}" for n in range(4)),
]
Ages = Mapping[str, float]
"""Tags, and how many days old their images are."""

AGES = st.lists(st.sampled_from(TAGS), unique=True).flatmap(
    lambda tags: st.permutations(range(len(tags))).map(
        lambda days: {tag: day + 0.5 for tag, day in zip(tags, days, strict=True)}
    )
)
DAYS = st.integers(1, 12)
COUNTS = st.integers(1, 6)
compared = settings(max_examples=200)


def ours(ages: Ages, rules: Mapping[str, Any]) -> set[str]:
    """The tags that our rules keep."""
    images = {tag: image(tag, days) for tag, days in ages.items()}
    more = {"allowEmpty": True, **rules}
    return kept(images, *more.pop("keep", ()), **more)


def newest(ages: Ages, tags: set[str], count: int) -> set[str]:
    return set(sorted(tags, key=lambda tag: ages[tag])[:count])


def fitting(ages: Ages, expression: str) -> set[str]:
    return {tag for tag in ages if re.fullmatch(expression, tag)}


# Harbor: a rule selects tags by patterns, and retains by one template; all that no rule
# retains goes, also when that is everything.


@dataclass(frozen=True)
class HarborRule:
    matches: str
    excludes: bool
    template: str
    number: int

    def selects(self, tag: str) -> bool:
        fits = re.fullmatch(self.matches.replace("*", ".*"), tag) is not None
        return fits != self.excludes

    def retains(self, ages: Ages) -> set[str]:
        selected = {tag for tag in ages if self.selects(tag)}
        if self.template == "latestPushedK":
            return newest(ages, selected, self.number)
        if self.template == "nDaysSinceLastPush":
            return {tag for tag in selected if ages[tag] <= self.number}
        return selected

    def as_ours(self) -> dict[str, Any]:
        name = self.matches.replace("*", ".*")
        tags = f"regex:(?!(?:{name})$).*" if self.excludes else self.matches
        by_template: dict[str, dict[str, Any]] = {
            "latestPushedK": {"newest": {"count": self.number, "by": "created"}},
            "nDaysSinceLastPush": {"newer": {"than": f"{self.number}d"}},
            "always": {},
        }
        return {"tags": [tags], **by_template[self.template]}


HARBOR = st.builds(
    HarborRule,
    st.sampled_from(["*", "v*", "ci-*", "latest"]),
    st.booleans(),
    st.sampled_from(["always", "latestPushedK", "nDaysSinceLastPush"]),
    COUNTS,
)


@compared
@given(AGES, st.lists(HARBOR, min_size=1, max_size=3))
def test_harbor(ages, rules):
    theirs = set().union(*(rule.retains(ages) for rule in rules))
    assert ours(ages, {"keep": [rule.as_ours() for rule in rules]}) == theirs


# zot: the first entry of keepTags with a pattern that fits somewhere in a tag decides; any of
# its criteria retains, and without any it retains all. What no entry fits goes.


@dataclass(frozen=True)
class ZotEntry:
    pattern: str
    pushed_within: int | None
    most_recent: int | None


def zot(ages: Ages, entries: list[ZotEntry]) -> set[str]:
    retained: set[str] = set()
    left = set(ages)
    for entry in entries:
        fits = {tag for tag in left if re.search(entry.pattern, tag)}
        left -= fits
        if entry.pushed_within is None and entry.most_recent is None:
            retained |= fits
        if entry.pushed_within is not None:
            retained |= {tag for tag in fits if ages[tag] < entry.pushed_within}
        if entry.most_recent is not None:
            retained |= newest(ages, fits, entry.most_recent)
    return retained


def zot_as_ours(entries: list[ZotEntry]) -> dict[str, Any]:
    keep: list[dict[str, Any]] = []
    earlier = ""
    for entry in entries:
        tags = [f"regex:{earlier}.*(?:{entry.pattern}).*"]
        earlier += f"(?!.*(?:{entry.pattern}))"
        if entry.pushed_within is None and entry.most_recent is None:
            keep.append({"tags": tags})
        if entry.pushed_within is not None:
            keep.append({"tags": tags, "newer": {"than": f"{entry.pushed_within}d"}})
        if entry.most_recent is not None:
            keep.append({"tags": tags, "newest": {"count": entry.most_recent}})
    return {"keep": keep}


ZOT = st.builds(
    ZotEntry,
    st.sampled_from([r"^v\d", "web", "^ci-", "-", ".*", "^latest$"]),
    st.none() | DAYS,
    st.none() | COUNTS,
)


@compared
@given(AGES, st.lists(ZOT, min_size=1, max_size=3))
def test_zot(ages, entries):
    assert ours(ages, zot_as_ours(entries)) == zot(ages, entries)


# ECR: a rule selects images by patterns that all have to fit, and marks those beyond a count
# or older than an age. The first rule, by priority, that selects an image decides on it alone,
# but a rule counts the images that earlier ones decide on too. What no rule selects stays.


@dataclass(frozen=True)
class EcrRule:
    patterns: tuple[str, ...]
    count: int | None
    days: int | None

    def selects(self, tag: str) -> bool:
        return all(re.fullmatch(each.replace("*", ".*"), tag) for each in self.patterns)

    def marks(self, ages: Ages) -> set[str]:
        selected = {tag for tag in ages if self.selects(tag)}
        if self.count is not None:
            return selected - newest(ages, selected, self.count)
        return {tag for tag in selected if ages[tag] > (self.days or 0)}


def ecr(ages: Ages, rules: list[EcrRule]) -> set[str]:
    expired: set[str] = set()
    left = set(ages)
    for rule in rules:
        expired |= rule.marks(ages) & left
        left -= {tag for tag in left if rule.selects(tag)}
    return set(ages) - expired


def ecr_as_ours(rules: list[EcrRule]) -> dict[str, Any]:
    keep: list[dict[str, Any]] = []
    earlier, selected = "", []
    for rule in rules:
        names = [each.replace("*", ".*") for each in rule.patterns]
        together = "".join(f"(?=(?:{name})$)" for name in names)
        tags = [f"regex:{earlier}{together}.*"]
        earlier += f"(?!{together})"
        selected += tags
        if rule.count is not None:
            keep.append({"tags": tags, "newest": {"count": rule.count}})
        else:
            keep.append({"tags": tags, "newer": {"than": f"{rule.days}d"}})
    return {"keep": keep, "delete": selected}


def ecr_rules(*choices: tuple[str, ...]) -> st.SearchStrategy[list[EcrRule]]:
    limits = st.tuples(COUNTS, st.none()) | st.tuples(st.none(), DAYS)
    rule = st.tuples(st.sampled_from(choices), limits)
    return st.lists(
        rule.map(lambda given: EcrRule(given[0], *given[1])),
        min_size=1,
        max_size=3,
        unique_by=lambda rule: rule.patterns,
    )


@compared
@given(AGES, ecr_rules(("v*",), ("ci-*",), ("pr-*",), ("prod-*", "*web"), ("latest",)))
def test_ecr(ages, rules):
    assert ours(ages, ecr_as_ours(rules)) == ecr(ages, rules)


@compared
@given(AGES, ecr_rules(("v*",), ("*",), ("*1*",), ("*-*",), ("prod-*", "*web")))
def test_ecr_where_rules_select_the_same_images_ours_keep_as_much_or_more(ages, rules):
    assert ours(ages, ecr_as_ours(rules)) >= ecr(ages, rules)


# GitLab: the tags that name_regex fits, but not latest and not those that name_regex_keep fits;
# of these the newest keep_n stay, and all that are not older than older_than.


def gitlab(ages: Ages, name_regex: str, keep: str, keep_n: int, older_than: int) -> set[str]:
    listed = fitting(ages, name_regex) - {"latest"} - fitting(ages, keep)
    going = listed - newest(ages, listed, keep_n)
    return set(ages) - {tag for tag in going if ages[tag] > older_than}


def gitlab_as_ours(name_regex: str, keep: str, keep_n: int, older_than: int) -> dict[str, Any]:
    return {
        "keep": [
            {"tags": ["latest", f"regex:{keep}"]},
            {"tags": [f"regex:(?!(?:latest|{keep})$).*"], "newest": {"count": keep_n}},
            {"newer": {"than": f"{older_than}d"}},
        ],
        "delete": [f"regex:{name_regex}"],
    }


@compared
@given(
    AGES,
    st.sampled_from([".*", "ci-.*", "(?:ci|pr)-.*"]),
    st.sampled_from(["master", r"v.+", r"(?:ci-1|v.*)"]),
    COUNTS,
    DAYS,
)
def test_gitlab(ages, name_regex, keep, keep_n, older_than):
    form = gitlab_as_ours(name_regex, keep, keep_n, older_than)
    assert ours(ages, form) == gitlab(ages, name_regex, keep, keep_n, older_than)


# acr purge: the tags that the filter fits somewhere and that are older than ago; of these the
# newest keep stay.


def acr_purge(ages: Ages, pattern: str, ago: int, keep: int) -> set[str]:
    old = {tag for tag in ages if re.search(pattern, tag) and ages[tag] > ago}
    return set(ages) - (old - newest(ages, old, keep))


def acr_purge_as_ours(pattern: str, ago: int, keep: int) -> dict[str, Any]:
    return {
        "keep": [
            {"newer": {"than": f"{ago}d"}},
            {"older": {"than": f"{ago}d"}, "newest": {"count": keep}},
        ],
        "delete": [f"regex:.*(?:{pattern}).*"],
    }


@compared
@given(AGES, st.sampled_from([".*", "^ci-", "-"]), DAYS, COUNTS)
def test_acr_purge(ages, pattern, ago, keep):
    form = acr_purge_as_ours(pattern, ago, keep)
    assert ours(ages, form) == acr_purge(ages, pattern, ago, keep)
