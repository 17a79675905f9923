"""examples/regbot.service: what systemd makes of it, and of its rights."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import regbot
from support.examples import EXAMPLES
from support.servers import program

from regbot.units import parse_duration

UNIT = EXAMPLES / "regbot.service"
MOST_EXPOSED = 2.0
"""Of 10 for a service without any limits."""
TO_SPARE = 5.0
"""Seconds between the end of the grace and the kill."""


@pytest.fixture
def service():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def analyze(*arguments):
    command = [program("systemd-analyze", "systemd"), "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_systemd_finds_no_mistake(tmp_path):
    there = str(Path(sys.executable).with_name("regbot"))
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/regbot/bin/regbot", there))
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, UNIT.name in done.stderr) == (0, False), done.stderr


def test_the_service_is_hardly_exposed():
    done = analyze("security", "--offline=true", str(UNIT))
    exposure = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stderr
    assert float(exposure[0]) <= MOST_EXPOSED


def test_it_starts_a_command_of_regbot(service, tmp_path):
    executable, command, *words = service["ExecStart"].split()
    assert Path(executable).name == "regbot"
    known = regbot(command, "--help", home=tmp_path).stdout
    assert [word for word in words if word.startswith("-") and word not in known] == []


def test_it_reads_its_config_again_by_sighup():
    reloads = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecReload=")]
    assert reloads == ["ExecReload=/bin/kill -HUP $MAINPID"]


def test_it_stops_by_sigterm_and_has_time_for_that(service):
    words = service["ExecStart"].split()
    grace = parse_duration(words[words.index("--grace") + 1])
    assert parse_duration(service["TimeoutStopSec"]) >= grace + TO_SPARE
    assert service["KillSignal"] == "SIGTERM"


def test_a_mistake_in_the_config_is_not_tried_again(service, tmp_path):
    (tmp_path / "regbot.yml").write_text("scripts: [{nam: a}]")
    done = regbot("server", "-c", "regbot.yml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == int(service["RestartPreventExitStatus"])


def test_its_state_is_the_one_folder_that_it_may_write(service):
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "regbot"
    assert service["WorkingDirectory"] == "/var/lib/regbot"
    assert "ReadWritePaths" not in service
    page = (EXAMPLES.parent / "docs" / "deploying.md").read_text()
    assert f"--home-dir /var/lib/{service['StateDirectory']} " in page
