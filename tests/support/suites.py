"""Test files as their users write them, run in this process."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from regbot.stopping import Stop
from regbot.testing.cases import read_cases
from regbot.testing.results import Result, run_cases
from regbot.testing.schema import Suite
from support.schemas import require_accepted

APP = "registry.example.org/team/app"

DELETE_OLD = f"""
local oldest = time.now() - time.duration("30d")
for _, name in ipairs(tag.ls("{APP}")) do
  local ref = reference.new("{APP}"):tag(name)
  local created = image.created(ref)
  if created and created < oldest then tag.delete(ref, {{reason = "old"}}) end
end
"""


def suite(script: str, tags: str, expect: str = "{}", more: str = "") -> str:
    """A file with one test of a script on one repository."""
    lua = indent(dedent(script).strip(), "      ")
    return (
        f"repositories:\n  {APP}:\n    tags: {tags}\n{more}"
        f"tests:\n  - name: it\n    script: |\n{lua}\n    expect: {expect}\n"
    )


def results_of(folder: Path, text: str, *, covers: bool = False) -> dict[str, Result]:
    """The results of a file's tests, by name."""
    path = folder / "it_test.yml"
    path.write_text(text)
    cases = read_cases(path)
    require_accepted(text, Suite)
    return {
        result.case.name: result for result in run_cases(cases, Stop(), at_once=1, covers=covers)
    }


def result_of(folder: Path, text: str) -> Result:
    """The result of a file's only test."""
    (result,) = results_of(folder, text).values()
    return result
