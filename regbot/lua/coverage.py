"""Which lines of a Lua chunk can run, by what the interpreter compiled it to.

LuaJIT tells through ``jit.util``; Lua 5.1 has it in the bytecode that ``string.dump``
gives, whose layout is that of ``ldump.c``. The return that the compiler adds at the end of
each function is no line of anybody's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

_WALK = b"""
local util = require("jit.util")

-- The instruction that the compiler adds: a return of nothing, all that an empty chunk has.
local function opcode(prototype, position) return util.funcbc(prototype, position) % 256 end
local empty = loadstring("")
local added = opcode(empty, util.funcinfo(empty).bytecodes - 1)

local function walk(prototype, lines)
  local info = util.funcinfo(prototype)
  for position = 1, info.bytecodes - 1 do
    local is_last = position == info.bytecodes - 1
    if not (is_last and opcode(prototype, position) == added) then
      lines[util.funcinfo(prototype, position).currentline] = true
    end
  end
  for position = -1, -info.gcconsts, -1 do
    local constant = util.funck(prototype, position)
    if type(constant) == "proto" then walk(constant, lines) end
  end
  return lines
end

return function(chunk) return walk(chunk, {}) end
"""

_HEADER = 12
_NIL, _BOOLEAN, _NUMBER = 0, 1, 3


def finder_of_lines(lua: Any) -> Callable[[Any], set[int]]:  # noqa: ANN401 - lupa's
    """What gives the lines of a chunk and of the functions in it.

    To be called while ``lua``, lupa's runtime, has all its libraries.
    """
    if lua.eval(b"jit ~= nil"):
        walk = lua.execute(_WALK)
        return lambda chunk: {int(line) for line in walk(chunk)}
    dump = lua.eval(b"string.dump")
    return lambda chunk: _Dump(bytes(dump(chunk))).lines()


class _Dump:
    """The bytecode of a chunk as Lua 5.1 dumps it, on the machine that reads it."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = _HEADER
        self._size_of_word = code[8]

    def lines(self) -> set[int]:
        """The lines of all functions."""
        self._text()
        self._skip(2 * 4 + 4)
        self._skip(self._count() * 4)
        for _ in range(self._count()):
            self._constant()
        lines: set[int] = set()
        for _ in range(self._count()):
            lines |= self.lines()
        of_instructions = [self._count() for _ in range(self._count())]
        for _ in range(self._count()):
            self._text()
            self._skip(2 * 4)
        for _ in range(self._count()):
            self._text()
        return lines | set(of_instructions[:-1])

    def _constant(self) -> None:
        kind = self._code[self._at]
        self._skip(1)
        if kind == _BOOLEAN:
            self._skip(1)
        elif kind == _NUMBER:
            self._skip(8)
        elif kind != _NIL:
            self._text()

    def _text(self) -> None:
        form = "<Q" if self._size_of_word == 8 else "<I"
        (length,) = struct.unpack_from(form, self._code, self._at)
        self._skip(struct.calcsize(form) + length)

    def _count(self) -> int:
        (value,) = struct.unpack_from("<i", self._code, self._at)
        self._skip(4)
        return int(value)

    def _skip(self, size: int) -> None:
        self._at += size
