"""regbot run: one-offs from the command line."""

import errno
import json
import os

import pytest
from support.command import regbot
from support.registry import TestRegistry


def test_a_result_is_printed_as_json(tmp_path):
    done = regbot("run", "-e", "return {a = {1, 2}}, 'x'", "--json", home=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout) == [{"a": [1, 2]}, "x"]
    assert regbot("run", "-e", "local x = 1", "--json", home=tmp_path).stdout == "null\n"
    assert regbot("run", "-e", "return 'é'", "--json", home=tmp_path).stdout == '"é"\n'


def test_a_file_with_arguments(tmp_path):
    script = tmp_path / "report.lua"
    script.write_text("return args.repo, args.days + 1, args.on, args.list[2]")
    arguments = ["repo=a/b=c", "days=30", "on=true", "list=[1,2]"]
    flags = [part for text in arguments for part in ("--arg", text)]
    done = regbot("run", str(script), *flags, "--json", home=tmp_path)
    assert json.loads(done.stdout) == ["a/b=c", 31, True, 2]


def test_standard_input(tmp_path):
    done = regbot("run", "-", "--json", home=tmp_path, stdin="return 7")
    assert done.stdout == "7\n"


@pytest.fixture
def registry():
    with TestRegistry() as registry:
        registry.put_image("app", "old")
        registry.put_image("app", "new")
        yield registry


def config(tmp_path, registry):
    path = tmp_path / "bot.yml"
    path.write_text(
        f"creds: [{{registry: '{registry.host}', tls: disabled}}]\n"
        "defaults: {timeout: 20s}\n"
        "scripts: [{name: other, script: error('this one must not run')}]\n"
    )
    return str(path)


def test_one_line_deletes_a_tag_with_the_configs_creds(tmp_path, registry):
    text = f"tag.delete('{registry.host}/app:old')"
    path = config(tmp_path, registry)
    dry = regbot("run", "-e", text, "-c", path, "--dry-run", home=tmp_path)
    assert (dry.returncode, sorted(registry.tags("app"))) == (0, ["new", "old"])
    assert f"{registry.host}/app:old" in dry.stdout
    done = regbot("run", "-e", text, "-c", path, home=tmp_path)
    assert (done.returncode, list(registry.tags("app"))) == (0, ["new"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either FILE.lua or -e TEXT"),
        (["a.lua", "-e", "return 1"], "give either FILE.lua or -e TEXT"),
        (["missing.lua"], f"missing.lua: can't read the script: {os.strerror(errno.ENOENT)}"),
        (["."], "can't read the script"),
        (["-e", "return 1", "--arg", "x"], "--arg x: write it as key=value"),
        (["-e", "return 1", "-c", "missing.yml"], "missing.yml"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(tmp_path, arguments, words):
    done = regbot("run", *arguments, home=tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_script_that_fails_is_exit_1(tmp_path):
    done = regbot("run", "-e", "error('no luck')", "--json", home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "-e:1: no luck" in done.stderr


def test_the_help_shows_its_examples_line_by_line(tmp_path):
    page = regbot("run", "--help", home=tmp_path).stdout
    assert "\n  regbot run report.lua --arg repo=registry.example.org/app --json\n" in page
    assert "\\b" not in page
