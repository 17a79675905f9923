"""The Lua in a config is read before it runs, and its errors name the file's own lines."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest
from support.command import environment, regbot
from support.examples import RECIPES

from regbot.cli.reading import script_reader
from regbot.config.load import read_config

CONFIG = """\
defaults: {schedule: "@daily"}
scripts:
  - name: old builds
    script: |
      for _, name in ipairs(tag.ls(args.repo)) do
        tag.delet(args.repo .. ":" .. name)
      end
  - {name: flow, script: "log(1)\\ntagg.ls('a/b')"}
  - name: folded
    script: >
      log(1)
      tag.ls()

      image.copy('a/b', 'c/d', {digestTag = true})
  - name: own file
    file: lua/own.lua
"""
OWN = 'local helper, ref = require "helper"\nhelper.run(reff)\n'
HELPER = "local M = {}\nfunction M.run() tag.lst('a/b') end\nreturn M\n"
DELETES_ALL = """\
scripts:
  - name: all
    script: |
      for _, name in ipairs(tag.ls("localhost:1/app")) do
        tag.delete("localhost:1/app:" .. name)
      end
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lua").mkdir()
    (tmp_path / "bot.yml").write_text(CONFIG)
    (tmp_path / "lua" / "own.lua").write_text(OWN)
    (tmp_path / "helper.lua").write_text(HELPER)
    return tmp_path


def places(text):
    return [":".join(line.split(":")[:3]) for line in text.splitlines()]


def test_every_mistake_has_the_place_it_has_in_its_file(folder):
    done = regbot("check", "-c", "bot.yml", home=folder, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "bot.yml:6:13: tag.delet is not defined (did you mean tag.delete?)",
        "bot.yml:8:35: tagg is not defined (did you mean tag?)",
        "bot.yml:12:7: tag.ls needs 1 argument, and is given none (write tag.ls(repo, [options]))",
        "bot.yml:14:33: image.copy: unknown option 'digestTag' (did you mean digestTags?)",
        "lua/own.lua:2:12: reff is not defined (did you mean ref?)",
        "helper.lua:2:22: tag.lst is not defined (did you mean tag.ls?)",
    ]


def test_mistakes_of_the_config_and_of_its_lua_come_together(folder):
    (folder / "bot.yml").write_text(CONFIG.replace("schedule:", "scedule:"))
    done = regbot("check", "-c", "bot.yml", home=folder, cwd=folder)
    assert done.returncode == 2
    assert places(done.stderr) == [f"bot.yml:{place}" for place in ("1:12", "6:13", "8:35")] + [
        "bot.yml:12:7",
        "bot.yml:14:33",
    ]


@pytest.mark.parametrize("guard", ["", "defaults: {guard: {maxDeletes: 5}}\n"])
def test_a_warning_is_told_and_is_no_mistake(tmp_path, guard):
    (tmp_path / "bot.yml").write_text(DELETES_ALL + guard)
    done = regbot("check", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    if guard:
        assert (done.stdout, done.stderr) == ("bot.yml: no mistakes, 1 script\n", "")
    else:
        assert done.stdout == "bot.yml: no mistakes, 1 warning, 1 script\n"
        assert done.stderr.startswith("warning: bot.yml:5:9: tag.delete in a loop over all tags")


UNGUARDED = """\
scripts:
  - name: old builds
    script: |
      local ref = reference.new(args.ref)
      if args.old then tag.delete(ref) end
      image.delete(ref)
  - name: rules
    repositories: [registry.example.org/app]
    retention: {keep: [{newest: {count: 5, by: created}}]}
  - name: lists only
    script: tag.ls(args.repo)
  - {name: is off, script: tag.delete(args.ref), enabled: false}
  - {name: has its own, script: tag.delete(args.ref), guard: {protect: [latest]}}
sync:
  - {source: a, target: b, type: repository}
  - {name: copies, source: c, target: d, type: repository, cleanup: true}
"""


def test_a_script_that_deletes_without_a_guard_is_warned_of_once(tmp_path):
    (tmp_path / "bot.yml").write_text(UNGUARDED)
    done = regbot("check", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    text = "deletes, and no guard limits how much (add guard: {maxDeletes: 100}"
    advice = f"{text} to the script, or under defaults for all)"
    assert done.stderr.splitlines() == [
        f"warning: bot.yml:5:24: script 'old builds' {advice}",
        f"warning: bot.yml:7:11: script 'rules' {advice}",
        f"warning: bot.yml:16:28: script 'copies' {advice}",
    ]
    assert done.returncode == 0
    (tmp_path / "bot.yml").write_text(f"defaults:\n  guard: {{maxDeletes: 100}}\n{UNGUARDED}")
    assert regbot("check", "-c", "bot.yml", home=tmp_path, cwd=tmp_path).stderr == ""


def test_no_example_is_warned_of():
    reader = script_reader()
    for path in RECIPES:
        config = read_config(str(path), environ={}, stdin=BytesIO(), reader=reader)
        assert config.warnings == ()


def test_a_script_that_is_off_is_read_by_check_alone(tmp_path):
    (tmp_path / "bot.yml").write_text(
        "scripts:\n  - {name: a, script: x = = 1, enabled: false}\n  - {name: b, script: log(1)}\n"
    )
    assert regbot("check", "-c", "bot.yml", home=tmp_path, cwd=tmp_path).returncode == 2
    assert regbot("once", "-c", "bot.yml", home=tmp_path, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("command", ["once", "server", "plan"])
def test_a_syntax_error_is_found_before_anything_runs(tmp_path, command):
    (tmp_path / "bot.yml").write_text(
        'defaults: {schedule: "@daily"}\nscripts:\n'
        "  - {name: first, script: print('it runs')}\n"
        "  - name: second\n    script: |\n      log(1)\n      local = 1\n"
        "  - {name: third, script: if}\n"
    )
    done = regbot(command, "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert places(done.stderr) == ["bot.yml:7:13", "bot.yml:8:29"]
    assert "it runs" not in done.stderr


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (
            "\n\nlocal label\nif label < 'x' then end",
            "bot.yml:7: attempt to compare nil with string",
        ),
        ("error('no luck')", "bot.yml:4: no luck"),
        ("\ntag.ls(7)", "bot.yml:5: tag.ls: argument 1 (repo): expected a reference"),
        ("parallel.map({1}, function()\n  error('x') end)", "bot.yml:4: parallel.map: item 1: "),
    ],
)
def test_an_error_names_the_line_of_the_config(tmp_path, script, error):
    lines = "".join(f"      {line}\n" for line in script.split("\n"))
    (tmp_path / "bot.yml").write_text(f"scripts:\n  - name: a\n    script: |\n{lines}")
    done = regbot("once", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert error in done.stderr


def test_an_error_has_a_hint(tmp_path):
    script = 'scripts:\n  - name: a\n    script: |\n      if args.label < "x" then end\n'
    (tmp_path / "bot.yml").write_text(script)
    done = regbot("once", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    hint = "(args.label is nil; test it first: if args.label and args.label < ...)"
    assert hint in done.stderr


def test_the_error_of_a_long_path_ends_with_the_file(tmp_path):
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    (folder / "bot.yml").write_text("scripts:\n  - name: a\n    script: error('no luck')\n")
    done = regbot("once", "-c", str(folder / "bot.yml"), home=tmp_path)
    assert "long/bot.yml:3: no luck" in done.stderr


def test_running_loads_no_parser(tmp_path):
    (tmp_path / "bot.yml").write_text("scripts: [{name: a, script: log(1)}]\n")
    code = (
        "import sys\nfrom regbot.cli.commands import regbot\n"
        "try: regbot(['once', '-c', 'bot.yml'])\nexcept SystemExit as end: assert not end.code\n"
        "assert 'regbot.lua.compiler' in sys.modules and 'tree_sitter' not in sys.modules"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr
