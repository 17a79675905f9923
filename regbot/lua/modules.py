"""Modules that scripts require: files in the folders of ``luaPath``, and never from outside them.

A config whose state is a database has them read with it, so that a script finds the ones that
its fingerprint is of, on every machine. Otherwise each is read when a script requires it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from regbot.errors import InvalidValue
from regbot.files import open_regular
from regbot.values import dataclass

_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NAME = re.compile(rf"{_PART.pattern}(?:\.{_PART.pattern})*", re.ASCII)
_LONGEST = 4 * 1024 * 1024
MOST = 1000
"""Modules that are read with a config."""
MOST_MEBIBYTES = 16
"""How large they may be together."""
MOST_ENTRIES = 10_000
"""Files and folders that are looked at for them."""


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules that a script can require, by name, as they were when a config was read.

    ``files`` are theirs.
    """

    sources: Mapping[str, bytes]
    files: tuple[Path, ...]

    def digest(self) -> bytes:
        """What tells their names and contents from others."""
        hasher = sha256()
        for name, source in sorted(self.sources.items()):
            hasher.update(f"{name}\n".encode() + sha256(source).digest())
        return hasher.digest()


def may_require(source: bytes) -> bool:
    """Whether a script may require a module: it has that word."""
    return re.search(rb"\brequire\b", source) is not None


def find_module(folders: Sequence[Path], name: str) -> tuple[Path, bytes] | None:
    """The path and source of a module in the first folder that has it.

    Raises InvalidValue for a name that can't be one, or leads out of a folder, and for a
    file that can't be read.
    """
    require_name(name)
    for folder in folders:
        path = folder.joinpath(*name.split(".")).with_suffix(".lua")
        source = _source(folder, path, name)
        if source is not None:
            return path, source
    return None


def require_name(name: str) -> None:
    """Raise InvalidValue for a name that no module can have."""
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"module name {name!r} is not letters, digits, _ and - with dots between"
        )


def read_modules(folders: Sequence[Path]) -> Modules:
    """All modules in some folders, of each name the one in the first folder that has it.

    One that leads out of that folder is no module, and no other of its name is.
    Raises InvalidValue where there are too many, or one can't be read.
    """
    sources: dict[str, bytes] = {}
    refused: set[str] = set()
    files = []
    size = 0
    for folder in folders:
        for path, name in _modules_in(folder):
            if name in sources or name in refused:
                continue
            if _leads_out(folder, path):
                refused.add(name)
                continue
            source = _source(folder, path, name)
            if source is None:
                continue
            sources[name] = source
            files.append(path)
            size += len(source)
            if len(sources) > MOST or size > MOST_MEBIBYTES * 1024 * 1024:
                raise InvalidValue(
                    f"there are more than {MOST} modules, or {MOST_MEBIBYTES} MiB of them"
                )
    return Modules(sources, tuple(files))


def _modules_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder that a name leads to, and their names."""
    looked_at = 0
    for place, folders, names in os.walk(folder, followlinks=True):
        looked_at += len(folders) + len(names)
        if looked_at > MOST_ENTRIES:
            raise InvalidValue(f"there are more than {MOST_ENTRIES} files and folders in {folder}")
        folders[:] = [name for name in folders if _PART.fullmatch(name)]
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, no path
            if suffix == ".lua" and _PART.fullmatch(stem):
                path = Path(place, name)
                yield path, ".".join(path.relative_to(folder).with_suffix("").parts)


def _leads_out(folder: Path, path: Path) -> bool:
    return not path.resolve().is_relative_to(folder.resolve())


def _source(folder: Path, path: Path, name: str) -> bytes | None:
    if _leads_out(folder, path):
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
