"""docs/rules.md: its examples are rules, and its forms decide as the other tools do."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configs import load
from support.retained import policy
from test_other_tools import EcrRule, ZotEntry, acr_purge, ecr, gitlab, ours, zot

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
TOOLS = dict(re.findall(r"^### (.+)\n((?:(?!^#).*\n)*)", PAGE, re.MULTILINE))
TAGS = [
    *("latest", "master", "v1", "v2", "old-v3", "prod-a", "prod-b-web", "team-a-web", "team-b"),
    *(f"ci-{n}" for n in range(5)),
]
AGES = st.lists(st.sampled_from(TAGS), unique=True).flatmap(
    lambda tags: st.permutations(range(len(tags))).map(
        lambda days: {tag: day * 9 + 0.5 for tag, day in zip(tags, days, strict=True)}
    )
)
compared = settings(max_examples=100)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def form(tool: str) -> dict[str, object]:
    (block,) = blocks(TOOLS[tool])
    return yaml.safe_load(block)


def test_the_first_example_is_a_config():
    assert load(blocks(PAGE)[0]).scripts[0].retention.keep


@pytest.mark.parametrize("block", blocks(PAGE)[1:])
def test_every_other_example_is_a_policy(block):
    data = yaml.safe_load(block)
    rules = {"keep": data} if isinstance(data, list) else data
    text = yaml.safe_dump({"retention": rules, "name": "a", "repositories": ["r.example"]})
    assert load(f"scripts:\n  -\n{indent(text, '    ')}").scripts[0].retention.keep


def test_the_rules_for_harbor_are_rules():
    rules = re.findall(r"`(\{.*?\}|tags: \[.*?\])` \|$", TOOLS["Harbor"], re.MULTILINE)
    assert len(rules) == 4
    for rule in rules:
        assert policy(yaml.safe_load(rule), allowEmpty=True).keep


@compared
@given(AGES)
def test_the_form_for_zot(ages):
    entries = [ZotEntry(r"^v\d", 30, 10), ZotEntry(".*", None, 3)]
    assert ours(ages, form("zot")) == zot(ages, entries)


@compared
@given(AGES)
def test_the_form_for_ecr(ages):
    rules = [EcrRule(("prod-*",), 20, None), EcrRule(("team-*", "*-web"), None, 14)]
    assert ours(ages, form("Amazon ECR")) == ecr(ages, rules)


@compared
@given(AGES)
def test_the_form_for_gitlab(ages):
    assert ours(ages, form("GitLab")) == gitlab(ages, ".*", "v.+", 10, 90)


@compared
@given(AGES)
def test_the_form_for_acr_purge(ages):
    assert ours(ages, form("acr purge")) == acr_purge(ages, "^ci-", 30, 3)
