"""YAML itself: what is refused, and that nothing in it can hurt."""

from __future__ import annotations

import pytest
import yaml
from support.configs import load, problems

BOMB = "x-a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
MERGE_BOMB = (
    "x-a: &a {"
    + ", ".join(f"k{n}: 1" for n in range(5000))
    + "}\nx-b:\n"
    + "".join("  - {<<: *a}\n" for _ in range(5000))
)
DEEP_ALIASES = "x-0: &a0 [x]\n" + "".join(f"x-{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the file is empty (it needs at least scripts)"),
        ("# only a comment\n", "1:1: the file is empty (it needs at least scripts)"),
        ("---\n...\n", "1:1: the file is empty (it needs at least scripts)"),
        ("- a\n", "1:1: expected a mapping of keys and values (write key: value)"),
        (
            "version: 1\n---\nversion: 1\n",
            "2:1: a second document begins here (a file can have only one)",
        ),
        ("version: *one\n", "1:10: no anchor &one comes before this alias (define it above)"),
        ("x-a: &a [*a]\n", "1:10: anchor &a contains itself (write the value out)"),
        ("x-a: !!python/object/apply:os.system [ls]\n", None),
        ("x-a: !custom 1\n", "1:6: tag '!custom' is not allowed (remove it)"),
        ("? [a]\n: b\n", "1:3: a key must be a string (put a value with {{ }} in quotes)"),
        ("<<: 5\n", "1:5: << takes a mapping or a list of them (such as *name)"),
        (
            "<<: {version: 1}\n<<: {version: 0}\n",
            "2:1: key '<<' is a duplicate, the first is at line 1, column 1 (remove one)",
        ),
        ("[" * 100_000, "1:51: nested more than 50 levels deep (make it flatter)"),
        ("- " * 100_000, "1:101: nested more than 50 levels deep (make it flatter)"),
        ("x-a:\n  " + "{a: " * 100_000, "2:199: nested more than 50 levels deep (make it flatter)"),
        (DEEP_ALIASES, "50:13: nested more than 50 levels deep (make it flatter)"),
        (BOMB, "5:46: more than 100000 values with aliases expanded (make it smaller)"),
        (MERGE_BOMB, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_refused(text, problem):
    (found,) = problems(text)
    assert found.endswith(")")
    if problem:
        assert found == f"bot.yml:{problem}"


class LimitedLoader(yaml.SafeLoader):
    """A parser that refuses deep nesting itself, as libyaml does from 0.2.6 on."""

    limit = 60
    refusal: Exception | None = None

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level == self.limit:
            place = self.get_mark()
            raise self.refusal or yaml.scanner.ScannerError("around", place, "no more", place)
        super().fetch_flow_collection_start(token)


def test_nesting_is_told_in_the_same_words_whatever_the_parser_says(monkeypatch):
    monkeypatch.setattr("regbot.config.compose._LOADER", LimitedLoader)
    expected = ["bot.yml:1:55: nested more than 50 levels deep (make it flatter)"]
    assert problems("x-a: " + "[" * 100_000) == expected
    assert problems("x-a: " + "[" * 55) == expected


def test_a_parser_that_ends_in_a_recursion_error_is_told_in_the_same_words(monkeypatch):
    monkeypatch.setattr("regbot.config.compose._LOADER", LimitedLoader)
    monkeypatch.setattr(LimitedLoader, "refusal", RecursionError("maximum depth"))
    (found,) = problems("x-a: " + "[" * 100_000)
    assert found.endswith(": nested more than 50 levels deep (make it flatter)")


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("scripts:\n\t- name: a\n", "2:1", "(indent with spaces, not tabs)"),
        ("scripts: [1, 2\nversion: 1\n", "2:8", "(check the indentation and the quotes)"),
        (
            'creds:\n  - registry: {{env "R"}}x\n',
            "2:26",
            "(put a value with {{ }} between single quotes)",
        ),
        ("x-a: 'open\n", "2:1", "(check the indentation and the quotes)"),
    ],
)
def test_broken_syntax_is_one_line_with_its_place_and_a_hint(text, place, hint):
    found = problems(text)[-1]
    assert found.startswith(f"bot.yml:{place}: not YAML: ")
    assert found.endswith(hint)


def test_a_template_without_quotes_gets_a_hint():
    found = problems('creds: [{registry: a.example, pass: {{env "X"}}}]')
    assert any("put a value with {{ }} in" in line for line in found)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"version: 1\nx-a: \xff", "2:6: this is not UTF-8 text (is it a YAML file?)"),
        (b"\x7fELF\x02\x01\x01\x00", "1:1: control character U+007F (is it a YAML file?)"),
        (b"x-a: a\n\x00", "2:1: control character U+0000 (is it a YAML file?)"),
        ("version: 1".encode("utf-16"), "1:1: this is not UTF-8 text (is it a YAML file?)"),
        ("\ud800", "1:1: this is not UTF-8 text (is it a YAML file?)"),
    ],
)
def test_bytes_that_are_no_text(data, problem):
    assert problems(data) == [f"bot.yml:{problem}"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    config = load(
        b"\xef\xbb\xbfscripts:\r\n  - name: a\r\n    script: |\r\n      x()\r\n      y()\r\n"
    )
    assert config.scripts[0].text == b"x()\ny()\n"


def test_an_explicit_key_wins_over_a_merged_one_and_is_no_duplicate():
    text = "x-a: &a {timeout: 1s, interval: 2s}\ndefaults: {timeout: 3s, <<: *a}\n"
    defaults = load(text).defaults
    assert (defaults.timeout, defaults.interval) == (3.0, 2.0)


def test_of_several_merges_the_first_wins():
    text = "x-a: &a {timeout: 1s}\nx-b: &b {timeout: 2s}\ndefaults: {<<: [*b, *a]}\n"
    assert load(text).defaults.timeout == 2.0


def test_core_tags_are_allowed():
    text = "scripts: [{name: !!str 12, script: x, args: {a: !!str 1, b: !!int 2, c: ! 3}}]"
    (script,) = load(text).scripts
    assert (script.name, script.args) == ("12", {"a": "1", "b": 2, "c": "3"})
