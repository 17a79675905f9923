"""Reads a script with the modules it requires: all mistakes, and what may be one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from itertools import islice
from pathlib import Path

from regbot.errors import InvalidValue
from regbot.lua.check.doubts import Comparisons, Deletes, unguarded
from regbot.lua.check.meaning import SAME_MODULE, Api, Meaning
from regbot.lua.check.mistakes import Mistakes
from regbot.lua.check.names import Names, use_of
from regbot.lua.check.openings import Open, is_caught, opened
from regbot.lua.check.tree import INDEXES, Node, parse
from regbot.lua.finding import Finding, LuaText, finding_at
from regbot.values import dataclass

LONGEST = 1024 * 1024
"""Bytes of a script or module that is read; a longer one is only compiled."""

MOST = 100
"""Mistakes that are named of a script or module."""

Compile = Callable[[bytes, str], Finding | None]
"""The syntax error of a source, which is in a file, or in the script itself if empty."""

FindModule = Callable[[Sequence[Path], str], tuple[Path, bytes] | None]
"""A module's file in folders. Raises InvalidValue for a name that can't be one."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The script or a module: its file, empty for the script, and what is in it."""

    file: str
    source: bytes
    root: Node
    names: Names

    def finding(self, node: Node, text: str, *, is_warning: bool = False) -> Finding:
        return finding_at(self.source, node.start, text, file=self.file, is_warning=is_warning)


@dataclass(slots=True)
class _Loaded:
    """A script and its modules. ``whole``: none is missing, and each could be read."""

    chunks: list[_Chunk] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    missing: list[tuple[_Chunk, Node, str]] = field(default_factory=list)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class ScriptReader:
    """Reads scripts, whose functions are those of ``api``."""

    api: Api
    compile: Compile
    find_module: FindModule

    def __call__(self, text: LuaText) -> list[Finding]:
        """The findings of a script and of the modules it requires, in their order."""
        loaded = _Loaded()
        self._load("", text.source, text.folders, loaded)
        try:
            findings = [*self._read(loaded, text)]
        except RecursionError:
            findings = []
        return sorted({*loaded.findings, *findings})

    def _load(
        self, file: str, source: bytes, folders: Sequence[Path] | None, loaded: _Loaded
    ) -> None:
        mistake = self.compile(source, file)
        if mistake:
            loaded.findings.append(mistake)
        chunk = None if mistake else _chunk(file, source)
        if chunk is None:
            loaded.whole = False
            return
        loaded.chunks.append(chunk)
        for node, name in _required(chunk.root):
            if name in loaded.modules:
                continue
            try:
                module = self.find_module(folders or (), name)
            except InvalidValue as error:
                loaded.missing.append((chunk, node, f"{error} (correct the name)"))
                continue
            if module:
                loaded.modules.add(name)
                self._load(str(module[0]), module[1], folders, loaded)
            elif folders is None:
                loaded.whole = False
            elif not self.api.members.get(SAME_MODULE.get(name, name)):
                where = " or ".join(map(str, folders)) or "luaPath"
                problem = f"there is no module {name!r} (add {name}.lua to {where})"
                loaded.missing.append((chunk, node, problem))

    def _read(self, loaded: _Loaded, text: LuaText) -> Iterator[Finding]:
        assigned = {name for chunk in loaded.chunks for name in _assigned(chunk.names)}
        meanings = [
            Meaning(chunk.names, self.api, assigned, loaded.modules) for chunk in loaded.chunks
        ]
        opens = [opened(c.root, m) for c, m in zip(loaded.chunks, meanings, strict=True)]
        members = {
            name for c, m in zip(loaded.chunks, meanings, strict=True) for name in _added(c.root, m)
        }
        everything = not loaded.whole or any(each.everything for each in opens)
        tables = {name for each in opens for name in each.tables}
        for chunk, meaning in zip(loaded.chunks, meanings, strict=True):
            mistakes = iter(Mistakes(chunk.root, meaning, Open(tables, everything), members))
            yield from (chunk.finding(node, problem) for node, problem in islice(mistakes, MOST))
            for node, _ in islice(mistakes, 1):
                yield chunk.finding(node, "more mistakes begin here (correct those before first)")
            for asked_by, node, problem in loaded.missing:
                if asked_by is chunk and not is_caught(node, meaning):
                    yield chunk.finding(node, problem)
            doubts = islice(Comparisons(chunk.root, meaning), MOST)
            yield from (chunk.finding(node, doubt, is_warning=True) for node, doubt in doubts)
        if not text.guarded:
            yield from _unguarded(loaded, meanings, text)


def _unguarded(loaded: _Loaded, meanings: Sequence[Meaning], text: LuaText) -> Iterator[Finding]:
    """What deletes all tags; if nothing does, one warning for a script that deletes at all."""
    both = [
        (chunk, Deletes(chunk.root, meaning))
        for chunk, meaning in zip(loaded.chunks, meanings, strict=True)
    ]
    of_all = [(chunk, doubt) for chunk, deletes in both for doubt in islice(deletes, MOST)]
    for chunk, (node, problem) in of_all:
        yield chunk.finding(node, problem, is_warning=True)
    if of_all or not text.name:
        return
    if text.by_rules:
        yield finding_at(text.source, 0, unguarded(text.name), is_warning=True)
        return
    for chunk, deletes in both:
        if deletes.first:
            yield chunk.finding(deletes.first, unguarded(text.name), is_warning=True)
            return


def _chunk(file: str, source: bytes) -> _Chunk | None:
    """A chunk, or None for one that can't be read beyond compiling it."""
    root = parse(source) if len(source) <= LONGEST else None
    try:
        return _Chunk(file, source, root, Names(root)) if root else None
    except RecursionError:
        return None


def _required(root: Node) -> Iterator[tuple[Node, str]]:
    """The modules that a chunk names, with their places: ``require "x"``, ``pcall(require, "x")``.

    The second is no mistake if the module is missing, but it is read where there is one.
    """
    for node in root.walk():
        if node.kind != "identifier" or node.text != "require" or node.parent is None:
            continue
        call = node.parent
        given = call.arguments[:1] if call.kind == "function_call" else call.children[1:2]
        name = given[0].string if given else None
        if name is not None:
            yield node, name


def _assigned(names: Names) -> Iterator[str]:
    yield from (name for name, variable in names.globals.items() if variable.values)
    for node in names.of:
        index = node.parent
        is_global = node.text == "_G" and index is not None and index.kind in INDEXES
        if is_global and index and index.key and use_of(index) == "assigned":
            yield index.key


def _added(root: Node, meaning: Meaning) -> Iterator[str]:
    """The members that a chunk adds to namespaces, as dotted names."""
    for node in root.walk():
        if node.kind in INDEXES and use_of(node) == "assigned":
            path = meaning.path(node)
            if path:
                yield ".".join(path)
