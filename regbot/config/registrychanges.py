"""Changes to the file of the registries that a person has set up.

What the file says beside them, and templates, stay as they were written; comments don't.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from regbot.config.document import ListNode, Mark, Node, Scalar
from regbot.config.registries import Registries, parse_registries, registries_text
from regbot.errors import ConfigError, InvalidValue
from regbot.files import folder_of_one_writer, reading, replace_file, writing
from regbot.oci.reference import parse_registry

Setting = str | Iterable[str] | Mapping[str, str]
"""A value as it is written in a file: a text, the items of a list, or keys and values."""

_HEADER = b"# Registries for all commands of regbot, see: regbot registry --help\n"
_START = Mark(1, 1)
_WIDEST = 1_000_000


def set_up(
    path: Path, registry: str, settings: Mapping[str, Setting], environ: Mapping[str, str]
) -> None:
    """Set keys in a registry's entry of the file, which is added if necessary.

    An empty value takes its key away. Raises ConfigError with all that a file may not say, and
    StorageError.
    """
    with folder_of_one_writer(path.parent):
        content, before = _read(path, environ)
        entry = _entry(content["creds"], registry)
        entry.update({key: value for key, value in settings.items() if value})
        for key in [key for key, value in settings.items() if not value]:
            entry.pop(key, None)
        text = _text(content)
        after = parse_registries(text, path, environ)
        _require_valid(path, registry, before, after)
        _write(path, text)


def forget(path: Path, registry: str) -> bool:
    """Take a registry out of the file; whether it was there. Raises as ``set_up`` does."""
    with folder_of_one_writer(path.parent):
        content, _ = _read(path, {})
        others = [entry for entry in content["creds"] if registry_of(entry) != registry]
        if len(others) == len(content["creds"]):
            return False
        _write(path, _text({**content, "creds": others}))
        return True


def written_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of the file as they are written, with templates. Raises as ``set_up`` does."""
    content, _ = _read(path, {})
    return list(content["creds"])


def registry_of(entry: Mapping[str, Any]) -> str:
    """The registry that an entry is for."""
    name = str(entry.get("registry", "")).strip()
    try:
        return parse_registry(name)
    except InvalidValue:  # a template
        return name


def _read(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], Registries]:
    """The file as plain values, with a list of entries under ``creds``, and what it means."""
    with reading(path):
        text, _ = registries_text(path)
    registries = parse_registries(text, path, environ)
    content = _plain(registries.document.root)
    if isinstance(content, dict):
        content.setdefault("creds", [])
        if isinstance(content["creds"], list) and all(
            isinstance(entry, dict) for entry in content["creds"]
        ):
            return content, registries
    raise ConfigError(registries.problems)


def _plain(node: Node) -> Any:  # noqa: ANN401 - whatever a file holds
    """A node as texts, lists and dicts; a key without a value is left out."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    entries = {key: entry.value for key, entry in node.entries.items() if node.get(key) is not None}
    return {key: _plain(value) for key, value in entries.items()}


def _entry(entries: list[dict[str, Any]], registry: str) -> dict[str, Any]:
    """The entry that holds for a registry: the last one, or a new one."""
    matching = [entry for entry in entries if registry_of(entry) == registry]
    if not matching:
        matching.append({"registry": registry})
        entries += matching
    return matching[-1]


def _require_valid(path: Path, registry: str, before: Registries, after: Registries) -> None:
    """Raise ConfigError for the mistakes that a change makes; those that were there stay."""
    old = {_without_place(path, problem) for problem in before.problems}
    texts = (_without_place(path, problem) for problem in after.problems)
    problems = [f"{registry}: {text}" for text in texts if text not in old]
    problems += [
        f"{registry}: {file} starts at the current folder, and commands run in any"
        " (write the whole path of the file)"
        for file in after.files
        if not file.is_absolute() and file not in before.files
    ]
    if problems:
        raise ConfigError(problems)


def _without_place(path: Path, problem: str) -> str:
    return problem.removeprefix(f"{path}:").partition(": ")[2]


def _text(content: Mapping[str, Any]) -> bytes:
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_events(content),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    text: str = yaml.emit(events, Dumper=yaml.SafeDumper, allow_unicode=True, width=_WIDEST)
    return _HEADER + text.encode()


def _events(value: object) -> Iterator[yaml.Event]:
    """The events of YAML that write a value, each text with quotes only where it needs them."""
    if isinstance(value, str):
        style = "|" if "\n" in value else None
        is_plain = not Scalar(value, _START).is_null
        yield yaml.ScalarEvent(None, None, (is_plain, True), value, style=style)
    elif isinstance(value, Mapping):
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
        for key, item in value.items():
            yield from (*_events(key), *_events(item))
        yield yaml.MappingEndEvent()
    elif isinstance(value, Iterable):
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()


def _write(path: Path, text: bytes) -> None:
    with writing(path):
        replace_file(Path(os.path.realpath(path)), text, 0o600)
