"""Which Lua there is: both are 5.1, LuaJIT also has ``goto``."""

from __future__ import annotations

from importlib.util import find_spec

from regbot.errors import ScriptError

FLAVOURS = ("luajit21", "lua51")
"""Modules of lupa, the wanted one first."""


def available_flavours() -> list[str]:
    """The flavours that the installed lupa has."""
    return [flavour for flavour in FLAVOURS if find_spec(f"lupa.{flavour}")]


def preferred_flavour() -> str:
    """The best flavour there is. Raises ScriptError when there is none."""
    flavours = available_flavours()
    if not flavours:
        raise ScriptError("the installed lupa has neither LuaJIT nor Lua 5.1")
    return flavours[0]
