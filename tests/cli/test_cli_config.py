"""Bad input gives one clear line and exit 2, and never a traceback (law 10)."""

import errno
import json
import os
import re
from pathlib import Path

import pytest
from support.command import regbot

GOOD = "scripts:\n  - name: a\n    script: log('hello')\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="bot.yml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_a_good_config(write, tmp_path):
    done = regbot("check", "-c", write(GOOD), home=tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith("no mistakes, 1 script\n")
    assert done.stderr == ""


def test_standard_input(tmp_path):
    done = regbot("check", "-c", "-", home=tmp_path, stdin=GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    done = regbot("once", "-c", "-", home=tmp_path, stdin=GOOD)
    assert done.returncode == 0
    assert "msg=hello script=a" in done.stderr


@pytest.mark.parametrize("command", ["check", "once", "server"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\1\2\xff\xfe binary",
        b"scripts: [",
        b"scripts:\n\t- name: a",
        b"- just\n- a list",
        b"a: *nowhere",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_no_config_is_one_line(write, tmp_path, command, content):
    path = write(content)
    done = regbot(command, "-c", path, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(path)


def test_a_tag_that_would_run_code_is_refused(write, tmp_path):
    path = write("scripts: !!python/object/apply:os.system ['touch ran']")
    done = regbot("once", "-c", path, home=tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{path}:1:10: " in done.stderr
    assert not (tmp_path / "ran").exists()


def test_every_mistake_at_once_with_its_place(write, tmp_path):
    path = write(
        "creds:\n  - registry: ''\n    tls: maybe\n"
        "defaults:\n  frequency: 1h\n"
        "scripts:\n  - name: a\n    interval: 5 days\n    script: x\n"
        "  - name: a\n    schedule: often\n"
    )
    done = regbot("check", "-c", path, home=tmp_path)
    assert done.returncode == 2
    places = re.findall(rf"^{re.escape(path)}:(\d+):\d+: .+$", done.stderr, re.MULTILINE)
    assert {int(line) for line in places} >= {2, 3, 5, 8, 10, 11}
    assert len(places) == len(done.stderr.splitlines())
    assert "interval" in next(line for line in done.stderr.splitlines() if "frequency" in line)


def test_files_that_can_not_be_read(tmp_path):
    missing = str(tmp_path / "missing.yml")
    for path, words in ((missing, "no such file"), (str(tmp_path), "is a folder")):
        done = regbot("once", "-c", path, home=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(write, tmp_path):
    path = write(GOOD)
    Path(path).chmod(0)
    done = regbot("once", "-c", path, home=tmp_path)
    assert done.returncode == 2
    assert os.strerror(errno.EACCES) in done.stderr


def test_the_server_needs_a_schedule(write, tmp_path):
    done = regbot("server", "-c", write(GOOD), home=tmp_path)
    assert done.returncode == 2
    assert "neither schedule nor interval" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["once"], ["once", "-c"], ["once", "-c", "x", "--nonsense"]],
)
def test_wrong_use(arguments, tmp_path):
    done = regbot(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert (done.stdout, done.stderr == "") == ("", False)
    assert "Traceback" not in done.stderr


def test_an_unknown_log_option(write, tmp_path):
    done = regbot("once", "-c", write(GOOD), "--logopt", "xml", home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "--logopt xml: the options are json and text\n")


def test_version_help_and_completion(tmp_path):
    assert re.fullmatch(r"regbot \d+\.\d+\.\d+\n", regbot("version", home=tmp_path).stdout)
    for command in ("once", "server", "check"):
        assert "--config" in regbot(command, "--help", home=tmp_path).stdout
    for shell in ("bash", "zsh", "fish"):
        done = regbot("completion", shell, home=tmp_path)
        assert done.returncode == 0
        assert "_REGBOT_COMPLETE" in done.stdout


def test_json_log_lines(write, tmp_path):
    source = "scripts:\n  - name: a\n    script: log('two\\nlines', {n=1})\n"
    done = regbot("once", "-c", write(source), "--logopt", "json", home=tmp_path)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = next(line for line in lines if line["msg"].startswith("two"))
    assert said["level"] == "INFO"
    assert (said["script"], said["n"]) == ("a", 1)


def test_a_log_line_can_not_be_forged(write, tmp_path):
    source = (
        "scripts:\n  - name: a\n    script: |\n      log('x\\ntime=1 level=ERROR msg=\"forged\"')\n"
    )
    done = regbot("once", "-c", write(source), home=tmp_path)
    assert not any(line.startswith("time=1 ") for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("error('no luck')", "no luck"),
        ("tag.ls('example.org/a b')", "is not allowed in a repository"),
        ("tag.ls('127.0.0.1:1/app')", "127.0.0.1:1"),
        ("tag.ls('no-such-host.invalid/app')", "no-such-host.invalid"),
        ("local t = {} while true do t[#t+1] = ('x'):rep(99999) .. #t end", "memory"),
        ("while true do end", "timeout"),
    ],
)
def test_a_script_that_fails_is_exit_1_and_the_others_run(write, tmp_path, script, words):
    config = {
        "defaults": {"memory": "32MiB"},
        "scripts": [
            {"name": "a", "script": script, "timeout": "4s" if words == "timeout" else "60s"},
            {"name": "b", "script": "log('the other one ran')"},
        ],
    }
    done = regbot("once", "-c", write(json.dumps(config)), home=tmp_path)
    assert done.returncode == 1
    failed = [line for line in done.stderr.splitlines() if "script failed" in line]
    assert len(failed) == 1
    assert words in failed[0]
    assert "the other one ran" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disabled_script_does_not_run(write, tmp_path):
    config = "scripts:\n  - {name: a, script: log('ran'), enabled: false}\n"
    done = regbot("once", "-c", write(config), home=tmp_path)
    assert done.returncode == 0
    assert "ran" not in done.stderr
