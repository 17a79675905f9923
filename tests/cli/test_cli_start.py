"""What a command loads before it works: only what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.command import REGBOT, environment

LIBRARIES = {
    *("certifi", "croniter", "httptools", "jinja2", "platformdirs", "requests"),
    *("rich", "semver", "sqlite3", "ssl", "urllib3", "zoneinfo", "zstandard"),
    *("procrastinate", "psycopg"),
}
ROOMS = {
    *("regbot.http.connections", "regbot.http.tls"),
    *("regbot.image.archive_read", "regbot.image.archive_write", "regbot.journal.journal"),
    *("regbot.journal.undo", "regbot.oci.versions", "regbot.plan.planfile"),
    *("regbot.report.build", "regbot.report.terminal", "regbot.store.ocidir"),
    *("regbot.config.jsonschema", "regbot.proposal.look", "regbot.proposal.pages"),
    *("regbot.lua.hints", "regbot.store.remote"),
    *("regbot.journal.shared", "regbot.run.cluster.cluster", "regbot.run.limits.sharing"),
    *("regbot.run.unitwork", "regbot.plan.outcomeentries"),
}
"""What a script that calls nothing has no use for."""


def loaded(home: Path, *arguments: str) -> set[str]:
    """The modules that the command's own process loads."""
    variables = environment(home, PYTHONPROFILEIMPORTTIME="1")
    done = subprocess.run([REGBOT, *arguments], capture_output=True, text=True, env=variables)
    assert done.returncode == 0
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "bot.yml"
    path.write_text("version: 1\nscripts:\n  - {name: a, script: local a = 1}\n")
    return str(path)


def test_a_script_that_calls_nothing_loads_neither_libraries_nor_rooms(tmp_path, config):
    modules = loaded(tmp_path, "once", "-c", config)
    assert "regbot.run.bot" in modules
    assert modules & (LIBRARIES | ROOMS) == set()


def test_an_empty_plan_that_is_made_and_applied_loads_no_libraries(tmp_path, config):
    plan = str(tmp_path / "plan.json")
    needed = loaded(tmp_path, "plan", "-c", config, "-o", plan) | loaded(
        tmp_path, "apply", plan, "-c", config
    )
    assert {"regbot.plan.planfile", "regbot.report.terminal"} <= needed
    assert needed & LIBRARIES == set()


def test_the_rooms_are_there():
    """A room that was renamed would never be loaded under its old name."""
    assert [room for room in ROOMS if find_spec(room) is None] == []


def test_a_scripts_process_loads_the_runtime_alone(tmp_path):
    code = "import regbot.lua.worker, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    modules = set(done.stdout.split())
    rooms = {module for module in modules if module.startswith("regbot.")}
    assert {room for room in rooms if not room.startswith("regbot.lua")} <= {
        "regbot.errors",
        "regbot.redaction",
    }
    assert modules & {"dataclasses", "inspect", "subprocess", "urllib.parse"} == set()


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("once", "--help")])
def test_what_needs_no_config_loads_hardly_anything(tmp_path, arguments):
    modules = loaded(tmp_path, *arguments)
    rooms = {module.split(".")[1] for module in modules if module.startswith("regbot.")}
    assert rooms <= {"cli", "errors", "lua", "redaction", "stopping", "units", "values", "version"}
    assert modules & (LIBRARIES | {"lupa", "yaml"}) == set()
