"""The registries that a person has set up for all commands, in a file of regbot's own.

It has the form of a config with ``creds`` alone. What it says of a registry holds where the
config says nothing, and goes before docker's files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from regbot.config.checks import check
from regbot.config.compose import compose
from regbot.config.creds import Creds
from regbot.config.document import Document, MappingNode, Mark
from regbot.config.fields import version_of
from regbot.config.section import FileReader, Key, Listing, Section
from regbot.config.warnings import warnings_of_creds
from regbot.errors import ConfigError
from regbot.files import is_private, open_regular
from regbot.values import dataclass

_NAME = "registries.yml"
_FOLDER_VARIABLE = "REGBOT_CONFIG_HOME"
_LARGEST = 4 * 1024 * 1024
_START = Mark(1, 1)
_NOTHING = Document("", MappingNode({}, _START, 1, 0))


class RegistriesFile(Section):
    """The whole file."""

    version = Key(version_of, "The form of the file, always 1.", default=1)
    creds = Key(Listing(Creds.read), "The registries: how to reach each, and how to log in.")


@dataclass(frozen=True, slots=True)
class Registries:
    """What the file says, as far as it can be read.

    ``problems`` and ``warnings`` have the form of a ConfigError's. ``files`` are the file
    itself and those that it names.
    """

    document: Document = _NOTHING
    entries: tuple[Creds, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def registries_path(environ: Mapping[str, str]) -> Path | None:
    """Where the file is, None where the environment names no folder for it.

    That is the system's folder for a program's config, such as ``~/.config/regbot``.
    """
    own_folder, home = environ.get(_FOLDER_VARIABLE, ""), environ.get("HOME", "")
    if own_folder:
        return Path(own_folder) / _NAME
    for_all = environ.get("XDG_CONFIG_HOME", "")
    if for_all and Path(for_all).is_absolute():
        return Path(for_all) / "regbot" / _NAME
    if not home:
        return None
    is_mac = sys.platform == "darwin"
    folder = Path(home, "Library", "Application Support") if is_mac else Path(home, ".config")
    return folder / "regbot" / _NAME


def read_registries(environ: Mapping[str, str]) -> Registries:
    """What the file says; nothing without one.

    One that can't be read is a warning, and one with mistakes has them in ``problems``.
    """
    path = registries_path(environ)
    if path is None:
        return Registries()
    try:
        text, is_own = registries_text(path)
        registries = parse_registries(text, path, environ)
    except ConfigError as error:
        return Registries(problems=error.problems, files=(path,))
    except OSError as error:
        why = f"{path}: can't read the file: {error.strerror or error}; continuing without it"
        return Registries(warnings=(why,), files=(path,))
    if not is_own and any(entry.helper for entry in registries.entries):
        problem = f"{path}: it names a program under credHelper, and others can write to the file"
        remedy = f"make it your own, and: chmod go-w {path}"
        return replace(registries, problems=(f"{problem} ({remedy})",))
    return registries


def registries_text(path: Path) -> tuple[bytes, bool]:
    """The bytes of the file, and whether nobody else can write to it; no bytes without one.

    Raises OSError where it can't be read, and ConfigError where it is too large.
    """
    try:
        with open_regular(path) as file:
            is_own = is_private(os.fstat(file.fileno()))
            text = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b"", True
    if len(text) > _LARGEST:
        raise ConfigError([f"{path}: it is larger than 4MiB (is it the right file?)"])
    return text, is_own


def parse_registries(text: bytes, path: Path, environ: Mapping[str, str]) -> Registries:
    """What a text says; nothing if it is empty. Raises ConfigError if it is not YAML."""
    if not text.strip():
        return Registries(files=(path,))
    document = compose(text, str(path))
    reader = FileReader(document, environ, path.parent, RegistriesFile)
    file = reader.read(RegistriesFile.read)
    problems = [*document.problems, *check(document), *reader.problems]
    files = (path, *reader.files)
    if problems or not file:
        return Registries(document, problems=document.error(problems).problems, files=files)
    entries = file.creds or ()
    warnings = map(document.line, warnings_of_creds(document, entries))
    return Registries(document, entries, warnings=tuple(warnings), files=files)
