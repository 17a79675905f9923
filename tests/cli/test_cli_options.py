"""Options before the command, as the Go program takes them, and what all commands share."""

import json
import signal
import subprocess
import sys

import click
import pytest
from support.command import REGBOT, environment, regbot

from regbot.cli.commands import regbot as group

CONFIG = "scripts:\n  - name: a\n    script: log.debug('fine') log('hello')\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bot.yml"
    path.write_text(CONFIG)
    return str(path)


def test_the_config_and_a_dry_run_before_the_command(tmp_path, config):
    done = regbot("-c", config, "once", "--dry-run", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "would change nothing\n")
    done = regbot("-c", config, "--dry-run", "once", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "would change nothing\n")
    assert "dry-run=true" in done.stderr


def test_the_level_before_the_command(tmp_path, config):
    assert "fine" in regbot("-v", "debug", "once", "-c", config, home=tmp_path).stderr
    assert regbot("-v", "error", "once", "-c", config, home=tmp_path).stderr == ""


def test_the_form_of_the_log_before_the_command(tmp_path, config):
    done = regbot("--logopt", "json", "once", "-c", config, home=tmp_path)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["INFO"] * 4


def test_the_command_s_own_option_wins(tmp_path, config):
    done = regbot(
        "-v", "debug", "-c", "nosuch.yml", "once", "-v", "info", "-c", config, home=tmp_path
    )
    assert done.returncode == 0
    assert "fine" not in done.stderr


def test_a_dry_run_is_never_dropped(tmp_path, config):
    done = regbot("--dry-run", "apply", "plan.json", "-c", config, home=tmp_path)
    assert done.returncode == 2
    assert "apply has no option --dry-run" in done.stderr


def test_options_that_a_command_has_no_use_for_are_harmless(tmp_path, config):
    done = regbot("-c", config, "-v", "info", "version", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == regbot("--version", home=tmp_path).stdout


def test_mistakes_before_the_command_are_one_line(tmp_path, config):
    done = regbot("--logopt", "xml", "once", "-c", config, home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "--logopt xml: the options are json and text\n")
    done = regbot("-c", "nosuch.yml", "once", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("nosuch.yml: ")


@pytest.mark.parametrize("module", ["click", "yaml"])
def test_ctrl_c_while_modules_load_ends_without_a_word(tmp_path, config, module):
    """The first module of that name to be found sends the signal while it is loaded."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{module}.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{signal.SIGINT.name})\nraise ImportError\n"
    )
    variables = environment(tmp_path, PYTHONPATH=str(tmp_path / "path"))
    done = subprocess.run([REGBOT, "once", "-c", config], capture_output=True, env=variables)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_hardly_anything_is_loaded_before_ctrl_c_is_handled():
    code = (
        "import enum, sys; before = set(sys.modules); import regbot.cli.main;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert loaded <= {
        *("__future__", "_signal", "gc", "signal"),
        *("regbot", "regbot.cli", "regbot.cli.main"),
    }


@pytest.mark.parametrize(
    ("scripts", "line"),
    [
        ({"a": "error('no')"}, "would change nothing; script a failed"),
        ({"a": "error('no')", "b": "return"}, "would change nothing; 1 of 2 scripts failed: a"),
        ({"a": "return"}, "would change nothing"),
    ],
)
def test_a_dry_run_says_how_many_scripts_failed(tmp_path, scripts, line):
    path = tmp_path / "bot.yml"
    entries = [{"name": name, "script": script} for name, script in scripts.items()]
    path.write_text(json.dumps({"scripts": entries}))
    done = regbot("once", "-c", str(path), "--dry-run", home=tmp_path)
    assert done.stdout == f"{line}\n"


@pytest.mark.parametrize(
    ("command", "way"),
    [("apply", "List the plans with: regbot show"), ("undo", "List the runs with: regbot history")],
)
def test_a_missing_name_is_told_where_the_names_are(tmp_path, command, way):
    done = regbot(command, home=tmp_path)
    assert done.returncode == 2
    assert way in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tga", "ls"], "No such command 'tga'. Did you mean 'regbot tag'?"),
        (["tag", "lst"], "No such command 'lst'. Did you mean 'regbot tag ls'?"),
        (
            ["image", "manifest", "a"],
            "No such command 'manifest'. Did you mean 'regbot manifest get'?",
        ),
        (["artifact", "tree", "a"], "No such command 'tree'. Did you mean 'regbot referrer tree'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
    ],
    ids=str,
)
def test_a_command_that_is_not_there_is_told_with_the_one_that_may_be_meant(words, message):
    with pytest.raises(click.UsageError) as caught:
        group.main(words, prog_name="regbot", standalone_mode=False)
    assert caught.value.message == message
