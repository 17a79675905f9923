"""Compiles scripts without running them, to find their syntax errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from regbot.lua.calls import Call
from regbot.lua.finding import Finding, LuaText, finding_at
from regbot.lua.runtime import Runtime
from regbot.lua.sandbox import Interface

_MEMORY = 1024 * 1024 * 1024
_NAME = "script"


class _Nobody:
    """Answers no call: nothing is run."""

    def ask(self, call: Call) -> Mapping[str, Any]:
        raise NotImplementedError

    def post(self, call: Call) -> int:
        raise NotImplementedError

    def take(self) -> tuple[int, Mapping[str, Any]]:
        raise NotImplementedError


class Compiler:
    """The compiler of one flavour of Lua."""

    def __init__(self, flavour: str) -> None:
        self._runtime = Runtime(
            flavour=flavour, memory=_MEMORY, tick=lambda: None, answers=_Nobody()
        )

    def __call__(self, text: LuaText) -> Iterator[Finding]:
        """The syntax error of a script that is enabled, if it has one."""
        mistake = self.mistake(text.source, "") if text.enabled else None
        if mistake:
            yield mistake

    def mistake(self, source: bytes, file: str) -> Finding | None:
        """The syntax error of a source, which is in a file, or in the script itself."""
        problem = self._runtime.compile(source, _NAME)
        if problem is None:
            return None
        place = re.match(rf"{_NAME}:(\d+): ", problem)
        row = int(place[1]) - 1 if place else 0
        what = problem[place.end() :] if place else problem
        shown = "".join(each if each.isprintable() else "\ufffd" for each in what)
        text = f"not Lua: {shown} (correct this line, or one before)"
        return finding_at(source, _position(source, row, what), text, file=file)

    def members(self, interface: Interface) -> dict[str, list[str] | None]:
        """The names of all globals that scripts find, with the members of tables."""
        self._runtime.install(asdict(interface))
        return self._runtime.members()


def _position(source: bytes, row: int, problem: str) -> int:
    """The byte at which a line's problem is: what it is near, else the line's first word."""
    lines = source.split(b"\n")
    line = lines[row] if row < len(lines) else b""
    near = re.search(r"near '(.+)'$", problem, re.DOTALL)
    token = near[1].encode("utf-8", "surrogateescape") if near else b""
    column = len(line) - len(line.lstrip())
    if token == b"<eof>":
        column = len(line)
    elif token and line.count(token) == 1:
        column = line.index(token)
    return sum(len(each) + 1 for each in lines[:row]) + column
