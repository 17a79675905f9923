"""The JSON Schema that editors get: right in itself, and never stricter than the reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from support.command import regbot
from support.configs import load
from support.examples import EXAMPLES, RECIPES
from support.schemas import refusals, require_accepted

from regbot.config.fields import text_of
from regbot.config.load import load_config
from regbot.config.schema import File
from regbot.config.section import Key, Listing, Section, Table, sections
from regbot.errors import ConfigError
from regbot.testing.schema import Suite

SCRIPT = "scripts: [{name: a, script: return}]"


@pytest.mark.parametrize("files", ["config", "test"])
def test_the_schema_is_a_schema(files, tmp_path):
    schema = json.loads(regbot("schema", "--for", files, home=tmp_path).stdout)
    Draft7Validator.check_schema(schema)
    assert schema["title"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_an_example_is_accepted(path):
    require_accepted(path.read_text())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("tests/*.yml")), ids=lambda path: path.name)
def test_a_test_of_an_example_is_accepted(path):
    require_accepted(path.read_text(), Suite)


@pytest.mark.parametrize("root", [File, Suite])
def test_every_key_has_a_sentence(root):
    keys = [key for section in sections(root).values() for key in section.keys.values()]
    assert [key.alias for key in keys if not key.doc.endswith(".")] == []


def test_a_kind_without_a_shape_is_found_at_once():
    with pytest.raises(TypeError, match="declares no shape"):
        Key(text_of, "A text.")


def test_links_and_marks_of_markdown_are_not_shown_as_plain_text():
    schema = File.shape()["properties"]["defaults"]["properties"]["cache"]
    assert "[" not in schema["description"]
    assert "`" not in schema["description"]
    assert "`off`" in schema["markdownDescription"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("script: []", "$: "),
        ("scripts: [{name: a, script: return, frequency: 1h}]", "$.scripts[0]: "),
        ("scripts: [{script: return}]", "$.scripts[0]: "),
        ("scripts: [{name: a, script: return, interval: often}]", "$.scripts[0].interval: "),
        ("scripts: [{name: a, script: return, interval: 60}]", "$.scripts[0].interval: "),
        ("scripts: {name: a}", "$.scripts: "),
        ("creds: [{registry: a.example, tls: none}]", "$.creds[0].tls: "),
        ("creds: [{registry: a.example, blobChunk: large}]", "$.creds[0].blobChunk: "),
        ("creds: [{registry: a.example, repoAuth: maybe}]", "$.creds[0].repoAuth: "),
        ("creds: [{registry: a.example, mirrors: ['http://b']}]", "$.creds[0].mirrors[0]: "),
        ("defaults: {guard: {maxDeletePercent: 120}}", "$.defaults.guard.maxDeletePercent: "),
        ("defaults: {memory: -1}", "$.defaults.memory: "),
        ("defaults: {cache: sometimes}", "$.defaults.cache: "),
        ("defaults: {env: MY_NAME}", "$.defaults.env: "),
        ("version: 2", "$.version: "),
    ],
)
def test_a_mistake_is_marked_where_it_is(text, place):
    (refusal,) = refusals(text)
    assert refusal.startswith(place)


@pytest.mark.parametrize(
    "text",
    [
        "creds: [{registry: a.example, user: 0123, pass: true, tls: Disabled, blobMax: -1}]",
        "x-mine: {any: thing}\nscripts:",
        "defaults: {parallel: '4', interval: 0, cache: off, blobLimit: 4MiB, timeout: 1h15m}",
    ],
)
def test_what_the_reader_takes_as_it_stands_is_not_marked(text):
    load(text)  # which asks the schema too


_LISTS = ("scripts", "creds", "keep", "delete", "kinds", "sync", "tagSets", "referrerFilters")


def of_place(place: tuple[str, ...], value: object) -> str:
    """A config with a value at a place, and what has to be around it."""
    needed = {"scripts": {"name": "a"}, "creds": {"registry": "a.example"}}
    needed |= {"newest": {"count": 1}, "newer": {"than": "1d"}, "older": {"than": "1d"}}
    needed |= {"kinds": {"resource": "v1/pods"}, "kubernetes": {"contexts": ["eu1"]}}
    needed |= {"delete": {"tags": ["v*"]}, "inUse": {"file": "images.txt"}}
    needed |= {"repositories": {"registry": "a.example"}}
    needed |= {"sync": {"source": "a.example", "target": "b.example", "type": "registry"}}
    for key in reversed(place):
        value = {key: value}
    whole = json.loads(json.dumps(value))

    def complete(part: dict[str, object]) -> dict[str, object]:
        done = {}
        for key, each in part.items():
            inner = each
            if isinstance(each, dict):
                inner = {**needed.get(key, {}), **complete(each)}
                if key == "scripts" and "retention" not in inner:
                    inner["script"] = "return"
                if key == "scripts" and "retention" in inner:
                    inner["repositories"] = {"registry": "a.example"}
                if key == "retention":
                    inner = {"keep": [{"tags": ["v*"]}], **inner}
            listed = key in _LISTS
            done[key] = [inner] if listed and isinstance(inner, dict) else inner
        return done

    return json.dumps(complete(whole))


DEFAULTS = [
    (place, alias, key.default)
    for place, section in sections(File).items()
    for alias, key in section.keys.items()
    if key.default is not None
]


@pytest.mark.parametrize(("place", "alias", "default"), DEFAULTS)
def test_what_is_said_to_be_the_default_is(place, alias, default):
    def config(value):
        loaded = load(of_place((*place, alias), value))
        scripts = [replace(script, place="") for script in loaded.scripts]
        return replace(loaded, fingerprint="", scripts=tuple(scripts))

    assert config(default) == config(None)


SCALARS = st.sampled_from(
    [
        *("latest", "v*", "30s", "1h15m", "7d", "-1h", "0", "00", "1", "-1", "+5", "32", "0.5"),
        *(".5", "12.", "1e3", "0x10", "0123", "true", "True", "FALSE", "yes", "Off", "~", "null"),
        *("4MiB", "1.5", "25%", "101", "enabled", "Disabled", "created", "semver", "off", "a/b"),
        *("host:5000", "docker.io", "'@daily'", "UTC", "''", "' '", "' true '", "' 5 '"),
        *("' created '", "' 30s '", "'4 mib'", "'a b'", "http://a", "'regex:v.*'", "'regex:('"),
        *("MY_NAME", "1X", "with-subject", "keep", "v1/pods", ".spec.image", "'15 3 * * *'"),
        *("1_000", "é", "' INSECURE '", "200", "'1 '", "' http'", "999999999999", "'0.5 '", "1h"),
    ]
)
WILD = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
    SCALARS.map(lambda item: f"{{a: {item}}}"),
)


def listed(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=2).map(lambda each: f"[{', '.join(each)}]")


def of_key(key: Key[object]) -> st.SearchStrategy[str]:
    if key.section is None:
        scalars = listed(SCALARS) if isinstance(key.kind, Listing) else SCALARS
        return st.one_of(scalars, WILD)
    inner = of_section(key.section)
    if isinstance(key.kind, Table):
        inner = inner.map(lambda text: f"{{a: {text}}}")
    elif isinstance(key.kind, Listing):
        inner = listed(inner)
    return st.one_of(inner, inner, inner, WILD)


def of_section(section: type[Section]) -> st.SearchStrategy[str]:
    """Mappings with a few of the keys, mostly those that are needed among them."""
    aliases = st.lists(st.sampled_from(sorted(section.keys)), max_size=3, unique=True)
    needed = [alias for alias, key in section.keys.items() if key.required]

    @st.composite
    def mapping(draw: st.DrawFn) -> str:
        keys = dict.fromkeys((*needed, *draw(aliases)))
        values = [f"{alias}: {draw(of_key(section.keys[alias]))}" for alias in keys]
        return "{" + ", ".join(values) + "}"

    return mapping()


@given(of_section(File))
def test_what_an_editor_refuses_regbot_refuses(text):
    marked = refusals(text)
    try:
        load_config(text, filename="bot.yml", environ={}, base=Path())
    except ConfigError:
        return
    assert marked == [], text
