"""Whatever comes in: a Config, or a ConfigError of clear lines."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from support.configs import load

from regbot.config.schema import ApiOpts, Creds, DefaultsModel, File, ScriptModel, keys
from regbot.errors import ConfigError

KEYS = st.sampled_from(
    [key for model in (File, Creds, DefaultsModel, ScriptModel, ApiOpts) for key in keys(model)]
    + ["x-a", "<<", "on", "1", "", "frequency"]
)
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
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "version": LEAVES,
        "creds": st.lists(st.dictionaries(KEYS, TREES, max_size=5), max_size=3),
        "defaults": st.dictionaries(KEYS, TREES, max_size=5),
        "scripts": st.lists(st.dictionaries(KEYS, TREES, max_size=5), max_size=3),
    },
)
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


@given(TREES | SHAPED)
def test_any_structure(tree):
    check(json.dumps(tree).encode())
