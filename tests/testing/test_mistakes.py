"""Mistakes in a test file are found before anything runs, each with its place."""

import pytest
from support.suites import APP, suite

from regbot.errors import ConfigError
from regbot.testing.cases import read_cases

START = f"repositories:\n  {APP}:\n    tags:\n"


def problems_of(folder, text):
    path = folder / "it_test.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_cases(path)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("{a: soon}", "3:15: a: expected a date or an age"),
        ("{a: {creatd: 3d}}", "3:16: unknown key 'creatd' (did you mean created?)"),
        ("{a: {same: b}}", "3:15: same: there is no image at tag 'b'"),
        ("{a: {same: b}, b: {same: b}}", "3:"),
        ("{a b: 3d}", "3:17: tag 'a b' is not "),
        ("{a: {digest: 'sha256:12'}}", "3:24: digest: digest 'sha256:12' needs 64 "),
        ("{a: {platforms: [a/b/c/d]}}", "3:28: platforms: platform 'a/b/c/d' is not "),
        ("{a: 2026-01-01}", "3:15: created: a fixed date needs a fixed now"),
    ],
)
def test_a_mistake_in_a_repository(tags, problem, tmp_path):
    found = problems_of(tmp_path, suite("return", tags))
    assert [line for line in found if not line.startswith(problem)] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tests: []\n", "1:8: there are no tests"),
        ("tests: [{name: a}]\n", "1:9: a test needs a script"),
        ("script: return\ntests: [{}]\n", "2:9: name is missing in"),
        ("script: return\ntests: [{name: a, expects: {}}]\n", "2:19: unknown key 'expects'"),
        (
            "script: return\ntests: [{name: a, expect: {deletd: a}}]\n",
            "2:28: unknown key 'deletd' (did you mean deleted?)",
        ),
        (
            "tests: [{name: a, script: return, file: none.lua}]\n",
            "1:41: file: there is no file 'none.lua'",
        ),
        (
            "script: return\nfaults: [{status: 429}]\ntests: [{name: a}]\n",
            "2:10: a fault needs request or tag",
        ),
        ("script: return\nfaults: [{tag: a, status: 200}]\ntests: [{name: a}]\n", "2:27: status:"),
        (
            "script: return\ntests: [{name: a, expect: {deleted: 'regex:('}}]\n",
            "2:37: deleted: ",
        ),
        ("config: none.yml\ntests: [{name: a}]\n", "1:9: config: "),
        (
            "script: return\nrepositories: {UPPER: {}}\ntests: [{name: a}]\n",
            "2:23: ",
        ),
    ],
)
def test_a_mistake_in_a_test(text, problem, tmp_path):
    (found,) = problems_of(tmp_path, text)
    assert found.startswith(problem), found


def test_the_scripts_of_a_config_are_named_where_none_fits(tmp_path):
    (tmp_path / "bot.yml").write_text(
        "scripts: [{name: first, script: return}, {name: second, script: return}]\n"
    )
    (missing,) = problems_of(tmp_path, "config: bot.yml\ntests: [{name: a, run: third}]\n")
    assert missing.startswith("2:24: run: bot.yml has no script 'third'")
    assert missing.endswith("(write run: and one of 'first', 'second')")
    (unclear,) = problems_of(tmp_path, "config: bot.yml\ntests: [{name: a}]\n")
    assert "bot.yml has 2 scripts" in unclear


def test_all_mistakes_are_found_at_once(tmp_path):
    text = f"{START}      a: {{same: b}}\n      c: 2026-01-01\ntests: [{{name: a}}, {{name: b}}]\n"
    assert len(problems_of(tmp_path, text)) == 4
