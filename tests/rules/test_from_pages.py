"""docs/from-*.md: the policy of another tool and ours beside it keep the same tags.

Theirs is read from the page as the tool would read it, and decided by a model of the tool;
ours is loaded as a config.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configs import load
from support.retained import decided, image
from test_other_tools import Ages, EcrRule, HarborRule, ZotEntry, acr_purge, ecr, gitlab, zot

from regbot.rules.policy import Policy

DOCS = Path(__file__).parents[2] / "docs"
PAIR = re.compile(r"^```(?:json|sh)\n(.*?)^```$.*?^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.+)\n((?:(?!^## ).*\n)*)", re.MULTILINE)

TAGS = [
    *("latest", "master", "v1", "v2.0", "v3", "v4", "old-v3", "test-1", "my-tests", "base"),
    *("prod-b-web", "production-v1", "team-a-web", "team-b", "team-c-web", "team-d-web"),
    *(f"{kind}-{number}" for kind in ("ci", "pr", "prod") for number in range(1, 9)),
]
AGES = st.tuples(
    st.permutations(TAGS), st.integers(len(TAGS) - 8, len(TAGS)), st.sampled_from([1, 2, 5])
).map(lambda drawn: {tag: at * drawn[2] + 0.5 for at, tag in enumerate(drawn[0][: drawn[1]])})
"""Nearly all of the tags, each with an image of its own: one of each day, of every other, ..."""

Theirs = Callable[[Ages], set[str]]
"""The tags that the other tool keeps."""


def expression(doublestar: str) -> str:
    """A pattern of Harbor in the form of the model, which knows ``*`` alone."""
    return re.sub(
        r"\{(.*?)\}", lambda braces: f"(?:{braces[1].replace(',', '|')})", doublestar
    ).replace("**", "*")


def harbor_of(policy: str) -> Theirs:
    rules = []
    for rule in json.loads(policy)["rules"]:
        (selector,) = rule["tag_selectors"]
        number = rule.get("params", {}).get(rule["template"], 0)
        excludes = selector["decoration"] == "excludes"
        rules.append(
            HarborRule(expression(selector["pattern"]), excludes, rule["template"], number)
        )
    return lambda ages: set().union(*(rule.retains(ages) for rule in rules))


def ecr_of(policy: str) -> Theirs:
    rules = []
    for rule in sorted(json.loads(policy)["rules"], key=lambda rule: rule["rulePriority"]):
        selection = rule["selection"]
        patterns = [f"{prefix}*" for prefix in selection.get("tagPrefixList", ())]
        patterns += selection.get("tagPatternList", ())
        counted = selection["countType"] == "imageCountMoreThan"
        number = selection["countNumber"]
        limits = (number, None) if counted else (None, number)
        rules.append(EcrRule(tuple(patterns), *limits))
    return lambda ages: ecr(ages, rules)


def acr_of(command: str) -> Theirs:
    words = shlex.split(command)
    options = dict(zip(words[2::2], words[3::2], strict=False))
    (_, pattern), ago = options["--filter"].split(":"), int(options["--ago"].removesuffix("d"))
    return lambda ages: acr_purge(ages, pattern, ago, int(options.get("--keep", 0)))


def gitlab_of(policy: str) -> Theirs:
    given = json.loads(policy)["container_expiration_policy_attributes"]
    days = int(given["older_than"].removesuffix("d"))
    names = given["name_regex"], given["name_regex_keep"]
    return lambda ages: gitlab(ages, *names, given["keep_n"], days)


def zot_of(config: str) -> Theirs:
    (policy,) = json.loads(config)["retention"]["policies"]
    entries = []
    for entry in policy["keepTags"]:
        (pattern,) = entry["patterns"]
        hours = entry.get("pushedWithin", "").removesuffix("h")
        days = int(hours) // 24 if hours else None
        entries.append(ZotEntry(pattern, days, entry.get("mostRecentlyPushedCount")))
    return lambda ages: zot(ages, entries)


def policy_of(config: str) -> Policy:
    """Ours, which may also keep none at all, as theirs do."""
    (script,) = load(config).scripts
    assert script.work
    return replace(script.work, allow_empty=True)


PAGES: dict[str, Callable[[str], Theirs]] = {
    "from-harbor.md": harbor_of,
    "from-ecr.md": ecr_of,
    "from-acr.md": acr_of,
    "from-gitlab.md": gitlab_of,
    "from-zot.md": zot_of,
}
PAIRS = [
    pytest.param(theirs(pair[1]), policy_of(pair[2]), id=f"{page}: {title}")
    for page, theirs in PAGES.items()
    for title, section in SECTION.findall((DOCS / page).read_text())
    if (pair := PAIR.search(section))
]


def kept(policy: Policy, ages: Ages) -> set[str]:
    images = {tag: image(tag, days) for tag, days in ages.items()}
    return {tag for tag, decision in decided(images, policy).items() if decision.keep}


def test_every_page_is_compared():
    of_rules = {path.name for path in DOCS.glob("from-*.md")} - {
        "from-regsync.md",
        "from-regctl.md",
    }
    assert of_rules == set(PAGES)
    assert [page for page in PAGES if not any(page in pair.id for pair in PAIRS)] == []


@pytest.mark.parametrize(("theirs", "ours"), PAIRS)
@settings(max_examples=200)
@given(ages=AGES)
def test_both_keep_the_same_tags(theirs: Theirs, ours: Policy, ages: Ages) -> None:
    assert kept(ours, ages) == theirs(ages)


def test_the_example_of_gitlabs_documentation() -> None:
    """What its page on cleanup policies says of these ten tags."""
    ages = {
        "latest": 0.1,
        "dev-v44": 2,
        "dev-v43": 5,
        "dev-v42": 10,
        "production-v44": 3,
        "production-v43": 6,
        "production-v42": 11,
        "v44": 1,
        "v43": 12,
        "v42": 20,
    }
    (pair,) = (pair for pair in PAIRS if "from-gitlab.md: Keep production" in pair.id)
    theirs, ours = pair.values
    assert kept(ours, ages) == theirs(ages) == set(ages) - {"dev-v42", "v43", "v42"}
