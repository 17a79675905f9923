"""--help: every command is listed where it belongs, and shows how it is called."""

import re
import shlex

import pytest
from support.command import regbot

from regbot.cli.commands import regbot as group

NAMES = sorted(group.commands)


def test_every_command_is_listed_once_in_a_section(tmp_path):
    page = regbot("--help", home=tmp_path).stdout
    sections = page.partition("Run scripts:")[2]
    assert sorted(re.findall(r"^  ([a-z-]+)  +[A-Z]", sections, re.MULTILINE)) == NAMES


def test_the_pages_fit_a_terminal(tmp_path):
    for name in ("", *NAMES):
        page = regbot(*name.split(), "--help", home=tmp_path).stdout
        assert [line for line in page.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", sorted({*NAMES} - {"version", "plan", "apply"}))
def test_the_examples_of_a_command_are_calls_of_it(name):
    text = group.commands[name].help or ""
    examples = re.findall(r"^ *(regbot [^#\n]*)", text, re.MULTILINE)
    examples += re.findall(r"\$\((regbot [^)]*)\)", text)
    assert examples
    for example in examples:
        _, called, *arguments = shlex.split(example.partition(">")[0])
        assert called == name
        group.commands[name].make_context(name, arguments, resilient_parsing=True)
