"""``require``: modules from the config's ``luaPath`` folders, never from outside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from regbot.errors import InvalidValue
from regbot.files import open_regular
from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, Binding, Parameter, Passed, plain
from regbot.lua.wire import to_text

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_LONGEST = 4 * 1024 * 1024


def _require(context: Context, name: str) -> Passed:
    module = find_module(context.lua_path, name)
    if module:
        return plain({"source": to_text(module[1]), "name": f"{name}.lua"})
    folders = ", ".join(str(folder) for folder in context.lua_path)
    searched = f"no {name}.lua in {folders}" if folders else "luaPath names no folder"
    return plain({"problem": f"there is no module {name!r}: {searched}, and none is built in"})


def find_module(folders: Sequence[Path], name: str) -> tuple[Path, bytes] | None:
    """The path and source of a module in the first folder that has it.

    Raises InvalidValue for a name that can't be one, or leads out of a folder, and for a
    file that can't be read.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"module name {name!r} is not letters, digits, _ and - with dots between"
        )
    for folder in folders:
        path = folder.joinpath(*name.split(".")).with_suffix(".lua")
        source = _source(folder, path, name)
        if source is not None:
            return path, source
    return None


def _source(folder: Path, path: Path, name: str) -> bytes | None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidValue(f"module {name!r} leads out of {folder}")
    try:
        with open_regular(path) as stream:
            source = stream.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidValue(f"module {name!r} can't be read: {error.strerror}") from None
    if len(source) > _LONGEST:
        raise InvalidValue(f"module {name!r} is longer than {_LONGEST} bytes")
    return source


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
