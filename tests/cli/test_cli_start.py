"""What a command loads before it works: only what it needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.command import REGBOT, environment

NOT_NEEDED = {"croniter", "jinja2", "pydantic", "requests", "rich"}
"""Libraries that a script which calls nothing has no use for."""


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


def test_a_script_that_calls_nothing_needs_few_libraries(tmp_path, config):
    modules = loaded(tmp_path, "once", "-c", config)
    assert "regbot.run.bot" in modules
    assert modules & NOT_NEEDED == set()
