"""A table of Lua as the part of a config that it says, with the mistakes in Lua's own places."""

from __future__ import annotations

from pathlib import Path

from regbot.config.checks import check
from regbot.config.document import (
    Document,
    Entry,
    ListNode,
    MappingNode,
    Mark,
    Node,
    Problem,
    Scalar,
)
from regbot.config.schema import File
from regbot.config.section import FileReader
from regbot.errors import InvalidValue
from regbot.rules.policy import Policy


def policy_of_table(rules: object, *, in_use: bool) -> Policy:
    """The policy that a table says, read as the YAML under ``retention`` is.

    ``in_use``: it is known which images are. Raises InvalidValue with every mistake, each
    after the field it is in, such as ``keep[2].newest``.
    """
    table = _Table()
    policy = table.node(rules, "")
    if not isinstance(policy, MappingNode):
        raise InvalidValue("expected a table such as {keep = {...}}")
    beside = dict.fromkeys(("repositories", *(["inUse"] if in_use else [])), policy)
    problems = list(check(_document({"retention": policy, **beside})))
    document = _document({"retention": policy, "name": Scalar("rules", policy.mark)})
    reader = FileReader(document, {}, Path(), File)
    file = reader.read(File.read)
    problems += reader.problems
    if problems:
        raise InvalidValue("; ".join(table.line(problem) for problem in sorted(set(problems))))
    (script,) = (file and file.scripts) or (None,)
    return script.retention.policy if script and script.retention else Policy()


class _Table:
    """Values of Lua as nodes of a document. The line of a mark counts the fields so far."""

    def __init__(self) -> None:
        self._fields: list[str] = []

    def node(self, value: object, name: str) -> Node:
        """A value as a node; ``name`` is its field. An empty table is a list."""
        self._fields.append(name)
        mark = Mark(len(self._fields), 1)
        if isinstance(value, dict) and value:
            start = f"{name}." if name else ""
            nodes = {str(key): self.node(each, f"{start}{key}") for key, each in value.items()}
            entries = {key: Entry(node.mark, node) for key, node in nodes.items()}
            return MappingNode(entries, mark, 1, 1)
        if isinstance(value, list | dict):
            items = (self.node(each, f"{name}[{n}]") for n, each in enumerate(value, 1))
            return ListNode(tuple(items), mark, 1, 1)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return Scalar(text, mark, "'")

    def line(self, problem: Problem) -> str:
        """A problem after the field it is in."""
        name = self._fields[problem.mark.line - 1]
        key = name.rpartition(".")[2].partition("[")[0]
        text = problem.text.removeprefix(f"{key}: ")
        return f"{name}: {text}" if name else text


def _document(script: dict[str, Node]) -> Document:
    start = Mark(1, 1)
    entries = {key: Entry(node.mark, node) for key, node in script.items()}
    scripts = ListNode((MappingNode(entries, start, 1, 1),), start, 1, 1)
    return Document("", MappingNode({"scripts": Entry(start, scripts)}, start, 1, 1))
