"""The files of examples/, edited as a user would for registries of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from support.servers import RealRegistry

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = [
    path
    for path in sorted(EXAMPLES.glob("*.yml"))
    if re.search(r"^scripts:", path.read_text(), re.MULTILINE)
]
"""The configs among the examples; other files there show how regbot is deployed."""


def edited(
    name: str,
    folder: Path,
    registries: Mapping[str, RealRegistry],
    changes: Mapping[str, str] | None = None,
) -> str:
    """The path of an example that speaks with ``registries``, by the name it has for them.

    ``changes`` are further texts to replace; each has to be there.
    """
    for module in re.findall(r"^ +file: (\S+)$", (EXAMPLES / name).read_text(), re.MULTILINE):
        (folder / module).write_text((EXAMPLES / module).read_text())
    text = (EXAMPLES / name).read_text()
    for old, new in (changes or {}).items():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    for called, registry in registries.items():
        text = text.replace(called, registry.host)
        login = f"tls: disabled\n    user: {registry.user}\n    pass: {registry.password}"
        login = login if registry.user else "tls: disabled"
        if "\ncreds:" in text:
            text = text.replace("tls: enabled", login)
        else:
            text += f"\ncreds:\n  - registry: {registry.host}\n    {login}\n"
    path = folder / name
    path.write_text(text)
    return str(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes, but those of regbot's cache."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes() for name, path in files.items() if name.parts[0] != ".cache"
    }
