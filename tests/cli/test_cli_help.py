"""--help: every command is listed where it belongs, and shows how it is called."""

import re
import shlex

import click
import pytest
from support.command import regbot

from regbot.cli.commands import regbot as group

CONTEXT = click.Context(group)
NAMES = group.list_commands(CONTEXT)


def command(name):
    """The command of a name."""
    return group.get_command(CONTEXT, name)


def test_every_command_is_listed_once_in_a_section(tmp_path):
    page = regbot("--help", home=tmp_path).stdout
    sections = page.partition("Run scripts:")[2]
    assert "..." not in sections
    assert sorted(re.findall(r"^  ([a-z-]+)  +[A-Z]", sections, re.MULTILINE)) == NAMES


def test_the_pages_fit_a_terminal(tmp_path):
    for name in ("", *NAMES):
        page = regbot(*name.split(), "--help", home=tmp_path).stdout
        assert [line for line in page.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "version"])
def test_a_command_has_examples_and_they_can_be_called(name):
    assert command(name).name == name
    text = (command(name).help or "").replace("\\\n", " ")
    examples = re.findall(r"^ *(regbot [^#\n]*)", text, re.MULTILINE)
    examples += re.findall(r"\$\((regbot [^)]*)\)", text)
    assert any(example.startswith(f"regbot {name}") for example in examples)
    for example in examples:
        _, called, *arguments = shlex.split(example.partition(" > ")[0])
        command(called).make_context(called, arguments, resilient_parsing=True)
