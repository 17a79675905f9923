"""regbot test, as a user runs it."""

import json
import signal
import subprocess
from xml.etree import ElementTree as ET

import pytest
from support.command import REGBOT, environment, regbot
from support.examples import EXAMPLES, RECIPES
from support.suites import APP, DELETE_OLD, suite

GOOD = suite(DELETE_OLD, "{a: 40d, b: 2d}", "{deleted: a}")
BAD = suite(DELETE_OLD, "{a: 40d, b: 2d}", "{deleted: b}").replace("name: it", "name: bad")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good_test.yml").write_text(GOOD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bad_test.yaml").write_text(BAD)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "no_test.yml").write_text("no")
    (tmp_path / "other.yml").write_text("no")
    return tmp_path


def run(folder, *arguments):
    done = regbot("test", *arguments, home=folder, cwd=folder)
    assert "Traceback" not in done.stderr
    return done


def test_each_test_has_a_line_and_what_differs_is_below_it(folder):
    done = run(folder)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "ok    good_test.yml: it",
        "FAIL  sub/bad_test.yaml: bad",
        f"      {APP}:a: expected kept, but deleted (old)",
        f"      {APP}:b: expected deleted, but kept",
        "",
        "1 passed, 1 failed",
    ]
    assert done.stderr == ""


def test_files_and_folders_can_be_named_and_tests_chosen(folder):
    assert run(folder, "good_test.yml").stdout == "ok    good_test.yml: it\n\n1 passed, 0 failed\n"
    assert run(folder, "sub").returncode == 1
    assert run(folder, "-k", "GOOD").returncode == 0
    assert run(folder, "-k", ": bad").stdout.startswith("FAIL  sub/bad_test.yaml: bad\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "nothing"], "-k nothing: no test has this in its file or name"),
        (["none"], "none: there is no such file or folder"),
        ([".hidden"], ""),
        (["other.yml"], "other.yml:1:1: expected a mapping of keys and values"),
        (["--junit", "no/such/folder.xml"], "--junit no/such/folder.xml: "),
    ],
)
def test_wrong_use_is_told_in_a_line(arguments, message, folder):
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(message)


def test_a_folder_without_tests_is_wrong_use(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "there are no tests" in done.stderr


def test_mistakes_of_all_files_are_told_before_anything_runs(folder):
    (folder / "a_test.yml").write_text("tests: [{name: a}]\n")
    (folder / "b_test.yml").write_text("tests: []\n")
    done = run(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "a_test.yml",
        "b_test.yml",
    ]


def test_junit_has_a_suite_for_each_file_and_a_failure_for_each_failed_test(folder):
    run(folder, "--junit", "out.xml")
    root = ET.parse(folder / "out.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    good, bad = root
    assert (good.get("name"), bad.get("name")) == ("good_test.yml", "sub/bad_test.yaml")
    assert good.find("testcase/failure") is None
    failure = bad.find("testcase/failure")
    assert failure.get("message") == f"{APP}:a: expected kept, but deleted (old)"
    assert bad.find("testcase").get("line") == "5"


def test_coverage_names_the_lines_that_did_not_run(folder):
    (folder / "lib.lua").write_text(
        "local M = {}\nfunction M.unused()\n  return 1\nend\nreturn M\n"
    )
    (folder / "it.lua").write_text('require("lib")\nif args.no then\n  error("never")\nend\n')
    (folder / "cover_test.yml").write_text("tests: [{name: a, file: it.lua}]\n")
    done = run(folder, "cover_test.yml", "--coverage")
    assert done.returncode == 0
    assert done.stdout.splitlines()[2:-2] == [
        " 66.7 %  it.lua: 2 of 3 lines ran, not 3",
        " 80.0 %  lib.lua: 4 of 5 lines ran, not 3",
        " 75.0 %  of all lines of Lua",
    ]


def test_the_lines_of_a_script_in_yaml_are_those_of_the_file(folder):
    text = suite('if args.no then\n  error("never")\nend', "[a]")
    (folder / "cover_test.yml").write_text(text)
    done = run(folder, "cover_test.yml", "--coverage")
    never = [line.strip() for line in text.splitlines()].index('error("never")') + 1
    assert f"cover_test.yml: 1 of 2 lines ran, not {never}" in done.stdout


def test_update_makes_a_failing_test_pass(folder):
    done = run(folder, "--update")
    assert done.returncode == 0
    assert done.stdout.endswith("1 passed, 1 failed\nupdated sub/bad_test.yaml: 1 test\n")
    assert run(folder).returncode == 0
    assert (folder / "good_test.yml").read_text() == GOOD


def test_what_can_t_be_updated_is_told_and_the_others_are(folder):
    (folder / "a_test.yml").write_text(BAD.replace("{deleted: b}", "{deleted: b} # why"))
    done = run(folder, "--update")
    assert done.returncode == 2
    assert done.stderr.startswith("a_test.yml:5:11: expect can't be updated: ")
    assert "updated sub/bad_test.yaml: 1 test\n" in done.stdout


def test_a_text_of_a_script_can_t_break_the_lines_of_the_output(folder):
    (folder / "odd_test.yml").write_text(suite('error("two\\nlines \\27[31m")', "[a]"))
    first, second, *rest = run(folder, "odd_test.yml").stdout.splitlines()
    assert first == "FAIL  odd_test.yml: it"
    assert second.startswith("      error: expected none, but got: odd_test.yml:7: two")
    assert "\x1b" not in second
    assert rest == ["", "0 passed, 1 failed"]


def test_many_tests_at_once_come_in_their_order(folder):
    names = [f"t{number}" for number in range(6)]
    tests = [{"name": name, "script": f'log("{name}")'} for name in names]
    (folder / "many_test.yml").write_text(json.dumps({"tests": tests}))
    done = run(folder, "many_test.yml", "-j", "4")
    assert done.stdout.splitlines()[:6] == [f"ok    many_test.yml: {name}" for name in names]


def test_a_signal_ends_the_tests(folder):
    (folder / "long_test.yml").write_text("tests: [{name: a, script: while true do end}]\n")
    process = subprocess.Popen(
        [REGBOT, "test", "good_test.yml", "long_test.yml", "-j", "1"],
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline().startswith("ok")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_every_recipe_has_tests_and_they_pass(tmp_path):
    tested = {path.name for path in (EXAMPLES / "tests").iterdir()}
    recipes = {path.stem for path in RECIPES}
    assert {f"{recipe}_test.yml" for recipe in recipes} == tested
    done = regbot("test", str(EXAMPLES), "--coverage", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    percent = float(done.stdout.splitlines()[-3].split()[0])
    assert percent > 95
