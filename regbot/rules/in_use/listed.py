"""References on lines, of a file or of what a program prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from regbot.errors import InvalidValue, ProgramFailed, StorageError, UseUnknown
from regbot.files import read_whole
from regbot.programs import Program
from regbot.rules.in_use.mention import Mention, Seen
from regbot.rules.in_use.settings import Command, ImageList
from regbot.stopping import Stop

COMMAND_TIMEOUT = 60.0
_LARGEST = 16 * 1024 * 1024


def read_list(images: ImageList) -> Seen:
    """The references in a file. Raises UseUnknown."""
    return _seen(content_of(images.path), images.name)


def read_command(
    command: Command, environ: Mapping[str, str], stop: Stop, *, timeout: float = COMMAND_TIMEOUT
) -> Seen:
    """The references that a program prints. Raises UseUnknown, also for a failure of it."""
    program = Program(command.arguments, environ, timeout, largest=_LARGEST, folder=command.folder)
    try:
        status, output = program.run(stop)
    except ProgramFailed as error:
        raise UseUnknown(f"it {error}") from None
    if status != 0:
        raise UseUnknown(f"it failed (exit status {status})")
    return _seen(output, command.name)


def content_of(path: Path) -> bytes:
    """The bytes of a file that the user named. Raises UseUnknown."""
    try:
        return read_whole(path, _LARGEST)[0]
    except (OSError, ValueError, StorageError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UseUnknown(f"can't read {path}: {why}") from None


def _seen(content: bytes, name: str) -> Seen:
    """One reference on a line; blank lines, and what follows a ``#``, say nothing."""
    try:
        text = content.decode("utf-8-sig")
    except ValueError:
        raise UseUnknown("it is no text in UTF-8") from None
    mentions = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            mentions.append(Mention.parse(words, f"line {number} of {name}"))
        except InvalidValue as error:
            raise UseUnknown(f"line {number}: {error}") from None
    return Seen(tuple(mentions), () if mentions else ("it names no image",))
