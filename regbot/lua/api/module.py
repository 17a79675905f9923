"""``require``: modules from the config's ``luaPath`` folders, never from outside them."""

from __future__ import annotations

import re

from regbot.errors import InvalidValue, NotFound
from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, Binding, Parameter, Passed, plain
from regbot.lua.wire import to_text

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_LONGEST = 4 * 1024 * 1024


def _require(context: Context, name: str) -> Passed:
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"module name {name!r} is not letters, digits, _ and - with dots between"
        )
    for folder in context.lua_path:
        base = folder.resolve()
        path = base.joinpath(*name.split(".")).with_suffix(".lua")
        if not path.resolve().is_relative_to(base):
            raise InvalidValue(f"module {name!r} leads out of {folder}")
        try:
            with path.open("rb") as stream:
                source = stream.read(_LONGEST + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InvalidValue(f"module {name!r} can't be read: {error.strerror}") from None
        if len(source) > _LONGEST:
            raise InvalidValue(f"module {name!r} is longer than {_LONGEST} bytes")
        return plain({"source": to_text(source), "name": f"{name}.lua"})
    folders = ", ".join(str(folder) for folder in context.lua_path) or "no folder: luaPath is empty"
    raise NotFound(f"module {name!r} is not built in and not in {folders}")


BINDINGS = (
    Binding(
        name="require",
        doc="The value of a module: a built-in one (such as semver), or NAME.lua in a folder of"
        " luaPath; dots are folders. It is run once in a script.",
        parameters=(Parameter("name", STRING, "the module's name"),),
        run=_require,
        result="any",
    ),
)
