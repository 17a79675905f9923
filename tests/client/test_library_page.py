"""docs/library.md: its programs run as they stand there, and its tables agree with the code."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import environment
from support.registry import TestRegistry

from regbot import Client, errors

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
PROGRAM = re.compile(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
NAME = "registry.example.org"
USERS = {"joe": "s3cret"}


@pytest.fixture
def registry():
    with TestRegistry(users=USERS, auth="basic") as registry:
        for tag, year in {"v1.0": 2022, "v1.1": 2023, "v2.0": 2025, "v2.1": 2026}.items():
            registry.put_image("team/app", tag, created=f"{year}-05-06T07:08:09Z")
        registry.put_image("team/base", "latest")
        yield registry


def test_every_program_does_what_the_page_says(registry, tmp_path):
    creds = {"registry": NAME, "hostname": registry.host, "tls": "disabled"}
    login = {"user": "joe", "pass": "s3cret"}
    (tmp_path / "regbot.yml").write_text(json.dumps({"creds": [{**creds, **login}]}))
    programs = PROGRAM.findall(PAGE)
    assert len(programs) == PAGE.count("```python")
    before = dict(registry.tags("team/app"))
    for number, (program, output) in enumerate(programs, 1):
        path = tmp_path / f"program_{number}.py"
        path.write_text(program.replace("localhost:5000", registry.host))
        done = subprocess.run(
            [sys.executable, str(path)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(tmp_path),
        )
        assert (done.returncode, done.stderr) == (0, ""), program
        assert output in ("", done.stdout), program
        for tag, digest in before.items():
            registry.tag("team/app", tag, digest)
    assert (tmp_path / "plan.html").exists()


def signature(method: object) -> str:
    """A method as it is called, without types."""
    plain = inspect.signature(method)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in plain.parameters.items()
        if name != "self"
    ]
    return str(plain.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def rows(heading: str) -> list[str]:
    """What the first cells of a table name, by its first heading."""
    table = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    return re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)


def test_the_tables_have_every_method_with_its_arguments():
    documented = [
        name.strip("`")
        for heading in ("to read", "to change", "for the run as a whole")
        for name in rows(heading)
    ]
    public = {name: each for name, each in vars(Client).items() if not name.startswith("_")}
    assert sorted(documented) == sorted(
        name if isinstance(each, property) else name + signature(each)
        for name, each in public.items()
    )


def test_the_table_has_every_argument_of_a_client():
    plain = inspect.signature(Client).parameters.values()
    documented = [name.strip("`").partition("=")[0] for name in rows("argument")]
    assert documented == [parameter.name for parameter in plain]


def test_the_table_has_every_error():
    documented = [name for cell in rows("error") for name in re.findall(r"`(\w+)`", cell)]
    known = [
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.RegbotError)
    ]
    assert sorted([*documented, "RegbotError"]) == sorted(known)
