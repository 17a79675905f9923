"""Reads YAML into a Document: anchors, aliases and merges, but nothing dangerous.

This replaces PyYAML's composer, which crashes on deep nesting, silently keeps the last
of several equal keys, and expands aliases without a limit.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import field
from typing import NoReturn

import yaml

from regbot.config.document import (
    Document,
    Entry,
    ListNode,
    MappingNode,
    Mark,
    Node,
    Problem,
    Scalar,
    shown,
)
from regbot.errors import ConfigError
from regbot.values import dataclass

MAX_DEPTH = 50
MAX_VALUES = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CORE = "tag:yaml.org,2002:"
_CORE_NAMES = ("str", "int", "float", "bool", "null", "map", "seq")
_TAGS = frozenset({"!", *(_CORE + name for name in _CORE_NAMES)})
_START = Mark(1, 1)


def compose(data: bytes, filename: str) -> Document:
    """Read the bytes of a YAML file.

    Raises ConfigError if the file is not UTF-8, not YAML, or empty.
    """
    text = _decode(data, filename)
    document = Document(filename, Scalar("", _START), tuple(text.split("\n")))
    composer = _Composer(document)
    try:
        composer.read(text)
    except yaml.MarkedYAMLError as error:
        _check_depth_before(error, text, document)
        raise _syntax_error(composer, error) from None
    except yaml.YAMLError:
        composer.fail(_START, "this is not YAML (is it the right file?)")
    except RecursionError:
        composer.too_deep(_START)
    return composer.finish()


def _check_depth_before(error: yaml.MarkedYAMLError, text: str, document: Document) -> None:
    """Raise for nesting that is too deep before the place of a parser's error.

    A parser reads ahead and may have a limit of its own, so it can fail before it has
    handed out what is nested too deeply.
    """
    if error.problem_mark:
        with suppress(yaml.YAMLError):
            _Composer(document).read(text[: error.problem_mark.index])


def _decode(data: bytes, filename: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        raise _not_yaml(filename, before, "this is not UTF-8 text") from None
    text = text.replace("\r\n", "\n")
    bad = _UNPRINTABLE.search(text)
    if bad:
        why = f"control character U+{ord(bad[0]):04X}"
        raise _not_yaml(filename, text[: bad.start()], why)
    return text


def _not_yaml(filename: str, before: str, why: str) -> ConfigError:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return ConfigError([f"{filename}:{line}:{column}: {why} (is it a YAML file?)"])


def _syntax_error(composer: _Composer, error: yaml.MarkedYAMLError) -> ConfigError:
    place = error.problem_mark or error.context_mark
    mark = Mark(place.line + 1, place.column + 1) if place else _START
    lines = composer.document.lines
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    started = error.context_mark.line if error.context_mark else mark.line - 1
    around = "\n".join(lines[max(0, started) : mark.line])
    hint = "check the indentation and the quotes"
    if "\t" in line[: mark.column]:
        hint = "indent with spaces, not tabs"
    elif re.search(r":\s*\{\{|-\s+\{\{", around):
        hint = "put a value with {{ }} between single quotes"
    context = f" {error.context}" if error.context else ""
    return composer.error(mark, f"not YAML: {error.problem}{context} ({hint})")


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read; a mapping's items are key, value, key..."""

    is_mapping: bool
    mark: Mark
    anchor: str | None
    items: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from the events of a stream."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems: list[Problem] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._roots: list[Node] = []
        self._values_left = MAX_VALUES

    def read(self, text: str) -> None:
        """Take all events of a text. Raises yaml.YAMLError and ConfigError."""
        for event in yaml.parse(text, Loader=_LOADER):
            self.take(event)

    def error(self, mark: Mark, text: str) -> ConfigError:
        """An error with the problems found so far and this one."""
        return self.document.error([*self._problems, Problem(mark, text)])

    def fail(self, mark: Mark, text: str) -> NoReturn:
        """Raise an error, because the rest of the file can't be read."""
        raise self.error(mark, text)

    def finish(self) -> Document:
        """The whole document."""
        root = self._roots[0] if self._roots else Scalar("", _START)
        if isinstance(root, Scalar) and root.is_null:
            self.fail(_START, "the file is empty (it needs at least scripts)")
        document = self.document
        return Document(document.filename, root, document.lines, tuple(self._problems))

    def take(self, event: yaml.Event) -> None:
        """The next event."""
        if isinstance(event, yaml.DocumentStartEvent) and self._roots:
            self.fail(_mark(event), "a second document begins here (a file can have only one)")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = str(event.anchor)
        if name not in self._anchors:
            self.fail(_mark(event), f"no anchor &{name} comes before this alias (define it above)")
        node = self._anchors[name]
        if node is None:
            self.fail(_mark(event), f"anchor &{name} contains itself (write the value out)")
        self._add(node, _mark(event))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        style = event.style or ""
        if event.tag in (_CORE + "str", "!") and not style:
            style = "'"
        node = Scalar(event.value, _mark(event), style)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._add(node, node.mark)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(is_mapping, _mark(event), event.anchor))
        if event.anchor:
            self._anchors[event.anchor] = None
        if len(self._open) > MAX_DEPTH:
            self.too_deep(_mark(event))

    def _end(self) -> None:
        closed = self._open.pop()
        depth = 1 + max((item.depth for item in closed.items), default=0)
        size = 1 + sum(item.size for item in closed.items)
        node: Node
        if closed.is_mapping:
            node = MappingNode(self._entries(closed.items), closed.mark, size, depth)
        else:
            node = ListNode(tuple(closed.items), closed.mark, size, depth)
        if closed.anchor:
            self._anchors[closed.anchor] = node
        self._values_left += size - 1
        self._add(node, node.mark)

    def _add(self, node: Node, mark: Mark) -> None:
        self._values_left -= node.size
        if self._values_left < 0:
            self.fail(
                mark, f"more than {MAX_VALUES} values with aliases expanded (make it smaller)"
            )
        if len(self._open) + node.depth > MAX_DEPTH:
            self.too_deep(mark)
        (self._open[-1].items if self._open else self._roots).append(node)

    def too_deep(self, mark: Mark) -> NoReturn:
        """Raise an error about the depth of nesting."""
        self.fail(mark, f"nested more than {MAX_DEPTH} levels deep (make it flatter)")

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _TAGS:
            name = shown(tag.replace(_CORE, "!!"))
            self._problems.append(Problem(_mark(event), f"tag {name} is not allowed (remove it)"))

    def _entries(self, items: list[Node]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merges: list[MappingNode] = []
        merged_at: Mark | None = None
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._problem(key.mark, "a key must be a string (put a value with {{ }} in quotes)")
            elif key.text == "<<" and not key.style:
                if merged_at:
                    self._duplicate(key, merged_at)
                merged_at = merged_at or key.mark
                merges += self._merged(value)
            elif key.text in entries:
                self._duplicate(key, entries[key.text].key_mark)
            else:
                entries[key.text] = Entry(key.mark, value)
        for mapping in merges:
            for name, entry in mapping.entries.items():
                entries.setdefault(name, entry)
        return entries

    def _merged(self, value: Node) -> list[MappingNode]:
        sources = value.items if isinstance(value, ListNode) else (value,)
        mappings = [source for source in sources if isinstance(source, MappingNode)]
        if len(mappings) != len(sources):
            self._problem(value.mark, "<< takes a mapping or a list of them (such as *name)")
        return mappings

    def _duplicate(self, key: Scalar, first: Mark) -> None:
        name, place = shown(key.text), f"line {first.line}, column {first.column}"
        self._problem(key.mark, f"key {name} is a duplicate, the first is at {place} (remove one)")

    def _problem(self, mark: Mark, text: str) -> None:
        self._problems.append(Problem(mark, text))


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else _START
