"""Whatever comes in: a Config, or a ConfigError of clear lines."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.configs import load

from regbot.config.schema import File
from regbot.config.section import Listing, sections
from regbot.errors import ConfigError

SECTIONS = sections(File)
LISTS = {
    key.alias
    for section in SECTIONS.values()
    for key in section.keys.values()
    if isinstance(key.kind, Listing)
}
KNOWN = sorted({key for section in SECTIONS.values() for key in section.keys})
KEYS = st.sampled_from([*KNOWN, "x-a", "<<", "on", "1", "", "frequency"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["1h", "a.example", "{{env `X`}}", "@daily", "{{", "UTC", ".", "-----BEGIN", "~"]
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


def shaped(place: tuple[str, ...]) -> st.SearchStrategy[dict[str, object]]:
    """A mapping as it stands at a place of the file, with anything in and beside its keys."""
    inner: dict[str, st.SearchStrategy[object]] = dict.fromkeys(SECTIONS[place].keys, TREES)
    for below in SECTIONS:
        if below[:-1] == place and below:
            section = shaped(below)
            inner[below[-1]] = st.one_of(TREES, section, st.lists(section, max_size=3))
    own = st.fixed_dictionaries({}, optional=inner)
    return st.tuples(st.dictionaries(KEYS, TREES, max_size=2), own).map(lambda two: two[0] | two[1])


LINE = re.compile(r"bot\.yml:[1-9]\d*:[1-9]\d*: \S.* \(.+\)", re.DOTALL)


def check(data: str | bytes) -> None:
    try:
        config = load(data)
    except ConfigError as caught:
        lines = caught.problems
        refused = True
    else:
        lines = config.warnings
        refused = False
    assert lines or not refused
    assert all(LINE.fullmatch(line) and len(line.splitlines()) == 1 for line in lines)


@given(st.binary(max_size=200))
def test_any_bytes(data):
    check(data)


@given(st.text(max_size=200))
def test_any_text(text):
    check(text.encode("utf-8", "surrogatepass"))


@given(st.text(alphabet="a:-[]{},&*!|>'\"%@`#? \n\t<~1", max_size=80))
def test_anything_like_yaml(text):
    check(text.encode())


@given(TREES | shaped(()))
def test_any_structure(tree):
    check(json.dumps(tree).encode())


@pytest.mark.parametrize("place", SECTIONS, ids=".".join)
def test_an_unknown_key_is_a_mistake_in_every_section(place):
    inside: object = {"frequenzy": 1}
    for key in reversed(place):
        inside = {key: [inside] if key in LISTS else inside}
    with pytest.raises(ConfigError) as caught:
        load(json.dumps(inside))
    assert any("unknown key 'frequenzy' (" in line for line in caught.value.problems)
