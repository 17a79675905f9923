"""The JSON Schemas of regbot's files, asked as an editor would ask them, and of others' files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from regbot.config.compose import compose
from regbot.config.document import ListNode, MappingNode, Node
from regbot.config.jsonschema import schema_text
from regbot.config.schema import File
from regbot.config.section import Section

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


@cache
def validator(root: type[Section]) -> Draft7Validator:
    schema = json.loads(schema_text(root, "of a test"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def refusals(text: str | bytes, root: type[Section] = File) -> list[str]:
    """What an editor marks in a file."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    value = as_json(compose(data, "bot.yml").root)
    return [f"{error.json_path}: {error.message}" for error in validator(root).iter_errors(value)]


def require_accepted(text: str | bytes, root: type[Section] = File) -> None:
    """Fail where an editor would mark a file that is read."""
    marked = refusals(text, root)
    assert marked == [], text


def as_json(node: Node) -> Any:
    """A node as editors see it: plain scalars by the core schema of YAML 1.2."""
    if isinstance(node, MappingNode):
        return {key: as_json(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [as_json(item) for item in node.items]
    text = node.text
    if node.style:
        return text
    if node.is_null:
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0[xo][0-9a-fA-F]+", text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def require_read_by(program: str, path: Path) -> None:
    """Fail where another program would refuse a file, by the schema that its makers publish."""
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [check, "--builtin-schema", f"vendor.{program}", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
