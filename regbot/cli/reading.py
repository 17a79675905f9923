"""Reads the Lua in a config before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regbot.lua.check.reader import ScriptReader
    from regbot.lua.compiler import Compiler


def compiler() -> Compiler:
    """What finds syntax errors alone: quick, for commands that run the scripts afterwards."""
    from regbot.lua.compiler import Compiler
    from regbot.lua.flavours import preferred_flavour

    return Compiler(preferred_flavour())


def script_reader() -> ScriptReader:
    """What reads scripts against everything they can call."""
    from regbot.lua.api.catalogue import BINDINGS, interface
    from regbot.lua.check.meaning import Api
    from regbot.lua.check.reader import ScriptReader
    from regbot.lua.modules import find_module
    from regbot.lua.values import SHAPES

    compiled_by = compiler()
    members = compiled_by.members(interface({}, memory=0, document_limit=0))
    bindings = {name: binding for binding in BINDINGS for name in binding.all_names}
    return ScriptReader(Api(members, bindings, SHAPES), compiled_by.mistake, find_module)
