"""Every command and snippet of the docs does what its page says.

Commands run page by page, in order, in a folder and a home of their own, with real
registries. A block whose preceding line says to save it as a file is saved. What a page
shows right below a command, or below ``$`` in a block for the console, is compared with what
is printed. What is not run is listed in ``not_run.py``.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path
from textwrap import indent

import not_run
import pytest
import yaml
from support.command import regbot
from support.pages import Block, blocks, commands, normal, pages
from support.walkthrough import Walk, server_certificate, walking

SHELL = ("sh", "console")
DATA = ("yaml", "json", "jsonc", "toml")
PROGRAMS = ("lua", "python")
KNOWN = {*SHELL, *DATA, *PROGRAMS, "text"}
#: Data that isn't regbot's, by a key at its top.
OTHERS = {
    "apiVersion",
    "storage",
    "services",
    "jobs",
    "on",
    "rules",
    "scrape_configs",
    "stages",
    "image",
    "yaml.schemas",
}
SCRIPT = {"retention", "repositories", "schedule", "interval", "guard", "script", "file", "args"}
POLICY = {"keep", "delete", "allowEmpty", "referrers", "untagged"}
DEFAULTS = {"inUse", "cache", "readahead", "parallel", "timezone", "state", "luaPath"}
STARTING_CONFIG = """\
version: 1
creds:
  - registry: registry.example.org
  - registry: mirror.example.org
scripts:
  - name: old builds
    repositories: [registry.example.org/team/app]
    schedule: "@daily"
    retention:
      keep:
        - {tags: ["build-*"], newer: {than: 60d}}
        - {tags: ["v*"], newest: {count: 5, by: semver}}
      delete: [{tags: ["build-*", "v*"]}]
"""
"""What a page finds as regbot.yml until it saves its own, or lets ``regbot init`` write it."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return server_certificate(tmp_path_factory.mktemp("authority"))


def reason_not_to_run(page: str, command: str) -> str:
    program = command.split(maxsplit=1)[0]
    for (where, start), reason in not_run.COMMANDS.items():
        if where == page and command.startswith(start):
            return reason
    for start, reason in not_run.ANYWHERE.items():
        if command.startswith(start):
            return reason
    return not_run.PROGRAMS.get(program, "")


def reason_not_to_compare(block: Block) -> str:
    for (where, start), reason in not_run.SHOWN.items():
        if where == block.page and block.text.startswith(start):
            return reason
    return ""


@pytest.mark.parametrize("page", pages())
def test_the_commands_of_a_page_do_what_it_says(page, tmp_path, certificate):
    found = blocks(page)
    shown = "".join(block.text for block in found if block.language != "text")
    runs = any(block.language in SHELL and runnable(block) for block in found)
    runs |= any(map(is_program, found))
    if not runs:
        return
    with walking(shown, tmp_path, certificate) as walk:
        if not any("regbot init" in block.text for block in found if block.language == "sh"):
            walk.save("regbot.yml", STARTING_CONFIG)
        last_seen = ""
        for block in found:
            if block.file:
                walk.save(block.file, block.text)
            if block.language == "sh":
                last_seen = run_all(walk, block)
            elif block.language == "console":
                follow(walk, block)
            elif block.language == "text" and block.follows == "sh":
                compare(walk, block, block.text, last_seen)
            elif is_program(block):
                run_program(walk, block)


def is_program(block: Block) -> bool:
    is_run = block.page not in not_run.ELSEWHERE and not reason_not_to_compare(block)
    return block.language in PROGRAMS and is_run


def runnable(block: Block) -> list[str]:
    lines = commands(block.text)
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in lines if not reason_not_to_run(block.page, line)]


def run_all(walk: Walk, block: Block) -> str:
    seen = ""
    for command in runnable(block):
        code, seen = walk.run(command)
        assert code == 0, f"{block.place}: {command} ended with {code}:\n{seen}"
    return seen


def follow(walk: Walk, block: Block) -> None:
    """Run each line after a ``$``, and compare what the page shows below it."""
    for part in re.split(r"^\$ ", block.text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        if not reason_not_to_run(block.page, command):
            _, seen = walk.run(command)
            compare(walk, block, shown, seen)


def run_program(walk: Walk, block: Block) -> None:
    """Run Python as it is, and Lua in a dry run."""
    name = block.file or f"snippet.{block.language[:3]}"
    walk.save(name, block.text)
    python = f"{sys.executable} {name}"
    lua = f"regbot run {name} -c regbot.yml --dry-run --arg repo=registry.example.org/team/app"
    code, seen = walk.run(python if block.language == "python" else lua)
    assert code == 0, f"{block.place}: {seen}"


def compare(walk: Walk, block: Block, shown: str, seen: str) -> None:
    """A line of ``...`` stands for any lines. Ids, times and dates may differ."""
    walk.learn(shown, seen)
    lines = normal(shown).splitlines()
    pattern = "".join(
        r"(?:.*\n)*?" if line in ("...", "…") else f"{re.escape(line)}\n" for line in lines
    )
    assert re.fullmatch(pattern, normal(seen)), (
        f"{block.place} shows\n{normal(shown)}\nand is\n{normal(seen)}"
    )


@pytest.mark.parametrize("page", pages())
def test_data_is_what_regbot_reads(page, tmp_path):
    for block in blocks(page):
        if block.language == "yaml":
            check_yaml(block, tmp_path)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language in ("json", "jsonc"):
            json.loads(re.sub(r"^\s*//.*$", "", block.text, flags=re.MULTILINE))
        elif block.language == "python":
            ast.parse(block.text)


def check_yaml(block: Block, folder: Path) -> None:
    """A whole config, a test, or a part of a config that is put where it belongs."""
    documents = list(yaml.safe_load_all(block.text))
    top = set(documents[0]) if isinstance(documents[0], dict) else set()
    if top & OTHERS:
        return
    for name in set(re.findall(r"^ +file: (\S+\.lua)$", block.text, re.MULTILINE)):
        lua = folder / name
        lua.parent.mkdir(parents=True, exist_ok=True)
        lua.write_text("log('stands for the file')\n")
    text = whole_config(block.text, documents[0])
    text = text.replace("/run/secrets", str(folder))
    for name in ("registry", "regbot-token"):
        (folder / name).write_text("secret-of-at-least-16-characters")
    if "tests" in top:
        (folder / "page_test.yml").write_text(text)
        done = regbot("test", "page_test.yml", home=folder, cwd=folder)
    else:
        done = regbot("check", "-c", "-", home=folder, cwd=folder, stdin=text)
    assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}\n{text}"


def whole_config(text: str, data: object) -> str:
    """A fragment, wrapped by what stands around it in a config."""
    if isinstance(data, list):
        key = "creds" if "registry" in data[0] else "scripts" if "name" in data[0] else "keep"
        if key != "keep":
            return f"{key}:\n{text}"
        text, data = f"keep:\n{text}", {"keep": data}
    assert isinstance(data, dict)
    keys = {key for key in data if not key.startswith("x-")}
    if keys <= POLICY:
        text, keys = f"retention:\n{indent(text, '  ')}", {"retention"}
    if keys and keys <= SCRIPT:
        lines = f"name: a\n{text}"
        lines += "" if keys & {"retention", "script", "file"} else "script: log('hello')\n"
        known = "repositories" in keys or "retention" not in keys
        lines += "" if known else "repositories: [registry.example.org/team/app]\n"
        return f"scripts:\n  -\n{indent(lines, '    ')}"
    if keys and keys <= DEFAULTS:
        return f"defaults:\n{indent(text, '  ')}"
    return text


@pytest.mark.parametrize("page", pages())
def test_nothing_else_is_left_out(page):
    for block in blocks(page):
        assert block.language in KNOWN, f"{block.place}: say what language this is"
        checked = bool(block.file) or block.follows == "sh" or page in not_run.ELSEWHERE
        if block.language == "text" and not checked:
            assert reason_not_to_compare(block), f"{block.place}: nothing prints this"


def test_what_is_listed_as_not_run_is_there():
    everything = [block for page in pages() for block in blocks(page)]
    lines = [
        (block.page, line.removeprefix("$ "))
        for block in everything
        if block.language in SHELL
        for line in commands(block.text)
    ]
    listed = {
        key: any(page == key[0] and line.startswith(key[1]) for page, line in lines)
        for key in not_run.COMMANDS
    }
    listed |= {
        key: any(block.page == key[0] and block.text.startswith(key[1]) for block in everything)
        for key in not_run.SHOWN
    }
    assert [key for key, there in listed.items() if not there] == []
