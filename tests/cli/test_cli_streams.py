"""Standard streams that are closed, full or of another encoding lose nothing."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.command import REGBOT, environment
from support.registry import DISTRIBUTION_2, TestRegistry

from regbot.plan.planfile import SCHEMA


@pytest.fixture
def registry():
    with TestRegistry(DISTRIBUTION_2) as registry:
        for number in range(5):
            registry.put_image("app", f"t{number}", labels={"n": str(number)})
        yield registry


@pytest.fixture
def config(tmp_path, registry):
    script = f"for n = 0, 3 do tag.delete('{registry.host}/app:t' .. n, {{reason = '€'}}) end"
    data = {
        "creds": [{"registry": registry.host, "tls": "disabled"}],
        "scripts": [{"name": "a", "script": script}],
    }
    path = tmp_path / "bot.yml"
    path.write_text(json.dumps(data))
    return str(path)


def start(tmp_path, *arguments, **streams):
    return subprocess.run(
        [REGBOT, *arguments], stdin=subprocess.DEVNULL, env=environment(tmp_path), **streams
    )


def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_log_that_nobody_reads_breaks_no_delete(tmp_path, registry, config):
    pipe = closed_pipe()
    done = start(tmp_path, "once", "-c", config, "-v", "trace", stderr=pipe)
    os.close(pipe)
    assert done.returncode == 0
    assert list(registry.tags("app")) == ["t4"]


@pytest.mark.parametrize("where", ["pipe", "full"])
def test_a_report_is_written_though_nobody_takes_the_table(tmp_path, config, where):
    out = closed_pipe() if where == "pipe" else os.open("/dev/full", os.O_WRONLY)
    report = tmp_path / "report.json"
    done = start(
        tmp_path,
        *("once", "-c", config, "--dry-run", "--report", str(report)),
        stdout=out,
        stderr=subprocess.PIPE,
    )
    os.close(out)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1
    assert len(json.loads(report.read_text())["rows"]) == 4


def test_a_table_in_ascii_shows_other_letters_as_escapes(tmp_path, config):
    done = subprocess.run(
        [REGBOT, "once", "-c", config, "--dry-run"],
        capture_output=True,
        env=environment(tmp_path, PYTHONIOENCODING="ascii"),
    )
    assert done.returncode == 0
    assert b"\\u20ac" in done.stdout


def test_a_device_stays_a_device(tmp_path, config):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = start(tmp_path, "plan", "-c", config, "-o", str(pipe), capture_output=True)
    out, _ = reader.communicate(timeout=30)
    assert done.returncode == 0
    assert json.loads(out)["schema"] == SCHEMA
    assert Path(pipe).is_fifo()


def test_a_closed_standard_input_is_one_line(tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"exec '{REGBOT}' check -c - <&-"],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )
    assert done.returncode == 2
    assert done.stderr == "standard input is closed (name a file after -c)\n"


@pytest.mark.parametrize("words", [["--help"], ["tag", "ls", "--help"], ["version"]], ids=str)
def test_a_help_that_can_not_be_written_is_one_line(tmp_path, words):
    with Path("/dev/full").open("wb") as out:
        done = start(tmp_path, *words, stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("can't write the result: ")
    assert done.stderr.count(b"\n") == 1
