"""Writes what happened into a test file as what is expected.

Only the keys of ``expect`` that differ are rewritten, so that comments and everything
else stay. What can't be done that way without losing something is refused. Whatever was
written is read again and has to differ in nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from regbot.config.compose import compose
from regbot.config.document import Document, ListNode, MappingNode, Node, Scalar
from regbot.config.values import Script
from regbot.errors import ConfigError, UsageError
from regbot.files import write_out
from regbot.oci.patterns import Pattern
from regbot.testing.judging import fits
from regbot.testing.results import Result
from regbot.testing.running import Happened, Named

_WIDTH = 98
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]*")
_LOOKS_OTHERWISE = re.compile(r"[0-9.]+|true|false|yes|no|on|off|null|y|n", re.IGNORECASE)


def update_file(path: Path, results: Sequence[Result]) -> int:
    """Rewrite the expectations of a file's tests that differ: how many.

    Raises UsageError where something would be lost.
    """
    differing = [result for result in results if result.differences]
    if not differing:
        return 0
    data = path.read_bytes()
    document = compose(data, str(path))
    text = data.decode("utf-8")
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(ending)
    if len(lines) != len(text.split("\n")):
        raise UsageError(f"{path}: expect can't be updated: its lines end in two ways")
    for result in sorted(differing, key=lambda each: -each.case.number):
        _Editor(document, lines, result).rewrite()
    text = ending.join(lines)
    _check(path, document, text, {result.case.number for result in differing})
    write_out(path, text.encode())
    return len(differing)


class _Editor:
    """Rewrites the expectation of one test in the lines of its file."""

    def __init__(self, document: Document, lines: list[str], result: Result) -> None:
        self._lines = lines
        self._place = result.case.place
        node = document.find(("tests", result.case.number))[1]
        if not isinstance(node, MappingNode):
            raise self._refusal("it comes from an anchor")
        self._case = node
        self._values = dict(_values(result))

    def rewrite(self) -> None:
        """Put the values in place of those that are there."""
        entry = self._case.entries.get("expect")
        indent = self._case.mark.column - 1
        if _is_flow(self._lines, self._case):
            raise self._refusal("the test is written in braces")
        if entry is None:
            self._insert(self._end_of_block(self._case.mark.line, indent - 1), "expect:", indent)
            return
        if entry.key_mark.column != self._case.mark.column:
            raise self._refusal("it comes from an anchor")
        if not isinstance(entry.value, MappingNode) or _is_flow(self._lines, entry.value):
            self._replace_whole(entry.key_mark.line, entry.value, indent)
            return
        self._replace_keys(entry.value)

    def _replace_whole(self, first: int, value: Node, indent: int) -> None:
        """An expectation in braces, or an empty one, becomes a block."""
        end = self._end_of_block(first, indent)
        self._refuse_comments(first, end)
        written = _written(value) if isinstance(value, MappingNode) else {}
        self._values = {**written, **self._values}
        del self._lines[first - 1 : end]
        self._insert(first - 1, "expect:", indent)

    def _replace_keys(self, block: MappingNode) -> None:
        indent = block.mark.column - 1
        end = self._end_of_block(block.mark.line, indent - 1)
        new = [key for key in self._values if key not in block.entries]
        added = [line for key in new for line in _shown(key, self._values[key], indent)]
        self._lines[end:end] = added
        old = [(key, entry.key_mark.line) for key, entry in block.entries.items()]
        for key, first in sorted(old, key=lambda each: -each[1]):
            if key in self._values:
                last = self._end_of_block(first, indent)
                self._refuse_comments(first, last)
                self._lines[first - 1 : last] = _shown(key, self._values[key], indent)

    def _insert(self, at: int, heading: str, indent: int) -> None:
        body = [
            line for key, value in self._values.items() for line in _shown(key, value, indent + 2)
        ]
        self._lines[at:at] = [" " * indent + heading + ("" if body else " {}"), *body]

    def _end_of_block(self, first: int, indent: int) -> int:
        """The last line of what begins in a line, where all of it is indented by more."""
        last = first
        for number in range(first + 1, len(self._lines) + 1):
            line = self._lines[number - 1]
            if line.strip() and len(line) - len(line.lstrip()) <= indent:
                break
            if line.strip() and not line.lstrip().startswith("#"):
                last = number
        return last

    def _refuse_comments(self, first: int, last: int) -> None:
        for line in self._lines[first - 1 : last]:
            if re.search(r"(?:^|\s)[#&*]", line):
                raise self._refusal("a comment or an anchor in it would be lost")

    def _refusal(self, why: str) -> UsageError:
        return UsageError(f"{self._place}: expect can't be updated: {why} (change it by hand)")


def _values(result: Result) -> Iterator[tuple[str, object]]:
    """The keys of the expectation whose value differs, each with what happened; None is none."""
    expect, happened = result.case.expect, result.happened
    if not _same(expect.deleted or (), happened.before, happened.deleted):
        yield "deleted", _names(happened.deleted, happened) or None
    if expect.kept is not None:
        kept = set(happened.before) - happened.deleted - happened.copied
        left = [
            pattern
            for pattern in expect.kept
            if {name for name in happened.before if fits(pattern, name)} <= kept
            and any(fits(pattern, name) for name in kept)
        ]
        if len(left) != len(expect.kept):
            yield "kept", [pattern.text for pattern in left] or None
    if not _same(expect.copied or (), happened.copied, happened.copied):
        yield "copied", _names(happened.copied, happened) or None
    if sorted(each.text for each in expect.exported or ()) != sorted(happened.exported):
        yield "exported", sorted(happened.exported) or None
    for key, wanted, text in (
        ("error", expect.error, happened.error),
        ("guard", expect.guard, happened.guard),
    ):
        if (wanted is None) != (not text) or (wanted or "") not in text:
            yield key, _without_place(text, result.case.script) or None
    if expect.requests is not None and happened.requests > expect.requests:
        yield "requests", happened.requests


def _without_place(text: str, script: Script) -> str:
    """An error without the file and line, which change when the script does."""
    name = re.escape(Path(script.chunk_name).name)
    placed = re.match(rf"[^\n]*{name}:\d+: (.+)", text, re.DOTALL)
    return placed[1] if placed and name else text


def _same(patterns: Sequence[Pattern], names: Collection[Named], actual: set[Named]) -> bool:
    fitting = {name for name in names if any(fits(pattern, name) for pattern in patterns)}
    is_whole = all(any(fits(pattern, name) for name in names) for pattern in patterns)
    return is_whole and fitting == actual


def _names(names: set[Named], happened: Happened) -> list[str]:
    """The names as short as they can be."""
    everything = set(happened.before) | set(happened.after)
    return [
        name.name if sum(other.name == name.name for other in everything) == 1 else str(name)
        for name in sorted(names)
    ]


def _shown(key: str, value: object, indent: int) -> list[str]:
    """The lines of a key; none for a value that is None."""
    margin = " " * indent
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [f"{margin}{key}: {_scalar(value)}"]
    items = [_scalar(item) for item in value]
    line = f"{margin}{key}: [{', '.join(items)}]"
    if len(line) <= _WIDTH:
        return [line]
    return [f"{margin}{key}:", *(f"{margin}  - {item}" for item in items)]


def _scalar(value: object) -> str:
    text = str(value)
    is_plain = isinstance(value, int) or (
        _PLAIN.fullmatch(text) and not _LOOKS_OTHERWISE.fullmatch(text) and text[-1] != ":"
    )
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _written(mapping: MappingNode) -> dict[str, object]:
    """The values of an expectation as they are in the file."""

    def plain(node: Node) -> object:
        if isinstance(node, ListNode):
            return [plain(item) for item in node.items]
        return node.text if isinstance(node, Scalar) else None

    return {key: plain(entry.value) for key, entry in mapping.entries.items()}


def _is_flow(lines: Sequence[str], node: MappingNode) -> bool:
    return lines[node.mark.line - 1][node.mark.column - 1 : node.mark.column] == "{"


def _check(path: Path, before: Document, text: str, numbers: set[int]) -> None:
    """Raise UsageError unless the expectations of these tests alone have changed."""
    try:
        after = _without(compose(text.encode(), str(path)).root, numbers)
    except ConfigError:
        after = None
    if _without(before.root, numbers) != after:
        raise UsageError(f"{path}: expect can't be updated without changing more (do it by hand)")


def _without(node: Node, numbers: set[int]) -> object:
    """A document as plain values, without the expectations of some tests."""
    plain = _plain(node)
    tests = plain.get("tests") if isinstance(plain, dict) else None
    if isinstance(tests, list):
        for number in numbers:
            tests[number].pop("expect", None)
    return plain


def _plain(node: Node) -> object:
    if isinstance(node, MappingNode):
        return {key: _plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return (node.text, node.style)
