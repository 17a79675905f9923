"""Loads a Config from the bytes of a YAML file, or reports everything wrong with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING

from regbot.config.build import build
from regbot.config.checks import check
from regbot.config.compose import compose
from regbot.config.document import Document, MappingNode, Mark, Problem
from regbot.config.lua import read_texts, texts_in, texts_of
from regbot.config.registries import Registries, read_registries
from regbot.config.schema import File
from regbot.config.section import FileReader
from regbot.config.targets import check_targets
from regbot.config.values import Config
from regbot.errors import ConfigError, InvalidValue
from regbot.files import is_private
from regbot.journal.place import DatabaseUrl
from regbot.lua.finding import Finding, LuaText, Reader

if TYPE_CHECKING:
    from regbot.lua.modules import Modules

MAX_BYTES = 16 * 1024 * 1024

_STDIN_NAME = "(standard input)"


def unread(_text: LuaText) -> Iterable[Finding]:
    """A reader that finds nothing."""
    return ()


def read_config(
    path: str,
    *,
    environ: Mapping[str, str],
    stdin: IO[bytes],
    reader: Reader = unread,
    offline: bool = False,
) -> Config:
    """Load a config file, or standard input for ``-``; ``reader`` reads its scripts.

    Names of scripts, modules and the journal are relative to the file's folder, or to
    the current folder for standard input; ``workDir`` always is to the current folder.
    ``offline``: nothing will be asked of a registry or a server and nobody is told anything,
    so credentials, tokens and receivers are not looked at.
    Raises ConfigError, with a single line if the file can't be read at all.
    """
    if path == "-":
        return load_config(
            _limited(stdin, _STDIN_NAME),
            filename=_STDIN_NAME,
            environ=environ,
            base=Path.cwd(),
            reader=reader,
        )
    try:
        file = Path(path)
        if stat.S_ISDIR(file.stat().st_mode):
            raise ConfigError([f"{path}: this is a folder (name the YAML file in it)"])
        with file.open("rb") as stream:
            is_own = is_private(os.fstat(stream.fileno()))
            data = _limited(stream, path)
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file (check the name after -c)"]) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not valid"
        raise ConfigError([f"{path}: can't read the file: {why}"]) from None
    config = load_config(
        data, filename=path, environ=environ, base=file.parent, reader=reader, offline=offline
    )
    if config.names_command and not is_own:
        problem = f"{path}: it names a command under inUse, and others can write to the file"
        raise ConfigError([f"{problem} (make it your own, and: chmod go-w {path})"])
    return config


def default_config(environ: Mapping[str, str], base: Path) -> Config:
    """The config of a command without one: the registries that the person has set up.

    Raises ConfigError.
    """
    config = load_config("{}", filename="", environ=environ, base=base)
    return replace(config, warnings=read_registries(environ).warnings)


def load_config(
    text: bytes | str,
    *,
    filename: str,
    environ: Mapping[str, str],
    base: Path,
    reader: Reader = unread,
    offline: bool = False,
) -> Config:
    """Read and check a config. ``filename`` is for messages, relative names start at ``base``.

    Below the config are the registries that the person has set up. What ``reader`` finds in
    the scripts counts as the config's: mistakes and warnings. Where one reads them, that there
    are none is a warning too.
    Raises ConfigError with all problems, each ``file:line:column: what (what to do)``.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    registries = Registries() if offline else read_registries(environ)
    document = compose(data, filename)
    if offline:
        document = _without_credentials(document)
    file_reader = FileReader(document, environ, base, File)
    file = file_reader.read(File.read)
    problems = [*document.problems, *check(document), *file_reader.problems]
    if file:
        problems += check_targets(document, file.sync or ())
    files = tuple(dict.fromkeys((*file_reader.files, *registries.files)))
    if problems or not file:
        findings = read_texts(document, texts_in(document), reader)
        raise _error(findings.problems_of(document, problems), registries, files)
    config = build(file_reader, file, registries)
    findings = read_texts(document, texts_of(document, config.scripts), reader)
    if findings.problems or findings.elsewhere or registries.problems:
        raise _error(findings.problems_of(document), registries, files)
    idle = []
    if reader is not unread and not config.scripts:
        text = "there are no scripts, so nothing will run (add some under scripts)"
        idle = [document.line(Problem(Mark(1, 1), text))]
    modules, unread_modules = _modules_of(document, config)
    if modules:
        files += modules.files
        scripts = tuple(replace(script, modules=modules) for script in config.scripts)
        config = replace(config, scripts=scripts)
    return replace(
        config,
        fingerprint=_fingerprint(data, config, modules),
        files=files,
        warnings=(*config.warnings, *idle, *findings.warnings, *unread_modules),
    )


def _modules_of(document: Document, config: Config) -> tuple[Modules | None, Sequence[str]]:
    """The modules that scripts can require, where machines have to agree on them.

    None where that is not so, and where there are too many, which is warned of: then each is
    read when it is required.
    """
    if not isinstance(config.state, DatabaseUrl):
        return None, ()
    from regbot.lua.modules import may_require, read_modules

    if not any(may_require(script.text) for script in config.scripts):
        return None, ()
    try:
        return read_modules(config.defaults.lua_path), ()
    except InvalidValue as error:
        mark, _ = document.find(("defaults", "luaPath"))
        text = "machines don't compare their modules, and read each when it is required"
        todo = "have luaPath name a folder with modules alone"
        return None, [document.line(Problem(mark, f"{error}: {text} ({todo})"))]


def _error(problems: Iterable[str], registries: Registries, files: Iterable[Path]) -> ConfigError:
    return ConfigError([*problems, *registries.problems], files)


def _without_credentials(document: Document) -> Document:
    root = document.root
    if not isinstance(root, MappingNode):
        return document
    entries = {
        key: entry
        for key, entry in root.entries.items()
        if key not in ("creds", "server", "notify")
    }
    return replace(document, root=replace(root, entries=entries))


def _fingerprint(data: bytes, config: Config, modules: Modules | None) -> str:
    hasher = sha256(data)
    for script in config.scripts:
        hasher.update(sha256(script.text).digest())
    if modules:
        hasher.update(modules.digest())
    return f"sha256:{hasher.hexdigest()}"


def _limited(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{name}: it is larger than 16MiB (is it the right file?)"])
    return data
