"""``require``: modules from the config's ``luaPath`` folders, never from outside them."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, Binding, Parameter, Passed, plain
from regbot.lua.modules import find_module, require_name
from regbot.lua.wire import to_text


def _require(context: Context, name: str) -> Passed:
    source = _source_of(context, name)
    if source is not None:
        return plain({"source": to_text(source), "name": f"{name}.lua"})
    folders = ", ".join(str(folder) for folder in context.lua_path)
    searched = f"no {name}.lua in {folders}" if folders else "luaPath names no folder"
    return plain({"problem": f"there is no module {name!r}: {searched}, and none is built in"})


def _source_of(context: Context, name: str) -> bytes | None:
    if context.modules is not None:
        require_name(name)
        return context.modules.sources.get(name)
    module = find_module(context.lua_path, name)
    return module[1] if module else None


BINDINGS = (
    Binding(
        name="require",
        doc="The value of a module: of the file NAME.lua in a folder of luaPath, else of a built-in"
        " module such as semver or json (also called lunajson). A dot in the name stands for a"
        " folder: lib.tags is lib/tags.lua. A module runs only once in a script.",
        parameters=(Parameter("name", STRING, "the module's name"),),
        run=_require,
        result="any",
    ),
)
