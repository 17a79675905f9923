"""From what was typed to the calls of a function."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from regbot.cli.made.signature import AN_OPTION, FILE, TABLE, Signature, shown_name
from regbot.config.values import Call
from regbot.errors import InvalidValue, RegbotError, UsageError
from regbot.lua.api.blob import LocalContent
from regbot.lua.api.objects import give_manifest
from regbot.lua.binding import Parameter, Passed, plain
from regbot.oci.digest import Digest
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT, Manifest
from regbot.oci.reference import Reference
from regbot.units import format_size

STANDARD = "-"
"""Standard input, or standard output."""

_PATHS = ("files", "configFile")
"""Options that are paths."""
_CHUNK = 1024 * 1024
_LONGEST_LIST = 16 * 1024 * 1024
_LONGEST_TYPED = 500
"""Characters that the history tells of a command."""


def lines_of(signature: Signature, command: str, words: Sequence[str]) -> list[Sequence[str]]:
    """The arguments of each call. Raises UsageError where they are too few or too many.

    A single ``-`` stands for the lines of standard input.
    """
    lines: list[Sequence[str]]
    if list(words) == [STANDARD] and not signature.is_for_one:
        lines = [line.split() for line in _standard_lines()]
    elif signature.repeats and words:
        lines = [[word] for word in words]
    elif signature.made.each_last and len(words) > signature.needed:
        lines = [[*words[: signature.needed - 1], last] for last in words[signature.needed - 1 :]]
    else:
        lines = [list(words)]
    most = len(signature.words)
    for line in lines:
        if not signature.needed <= len(line) <= most:
            instead = f", not {' '.join(line)}" if line else ""
            hint = f"regbot {command} {signature.usage}"
            raise UsageError(f"{command}: write {hint}{instead} (see regbot {command} --help)")
    return lines


def typed_of(
    signature: Signature, command: str, words: Sequence[str], given: Mapping[str, object]
) -> str:
    """The command as it was typed, for the history: its arguments, and the function's options.

    None of them is a secret: logins are no options of these commands.
    """
    parts = [*command.split(" "), *words]
    for option in signature.click_options():
        value = given.get(str(option.name).removeprefix(AN_OPTION))
        if value not in (None, (), False, ""):
            flag = max(option.opts, key=len)
            values = value if isinstance(value, tuple) else (value,)
            parts += [flag] if value is True else [w for each in values for w in (flag, str(each))]
    line = shlex.join(parts).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= _LONGEST_TYPED else f"{line[:_LONGEST_TYPED]}..."


def _standard_lines() -> Iterator[str]:
    """The lines of standard input, without empty ones and comments. Raises UsageError."""
    if not sys.stdin:
        raise UsageError("standard input is closed")
    raw = sys.stdin.buffer.read(_LONGEST_LIST + 1)
    if len(raw) > _LONGEST_LIST:
        raise UsageError(
            f"standard input has more than {format_size(_LONGEST_LIST)} (give it in parts)"
        )
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


class Reading:
    """What a command was given, as the function takes it. Raises UsageError for mistakes."""

    def __init__(self, signature: Signature, command: str, given: Mapping[str, object]) -> None:
        self._signature = signature
        self._command = command
        self._given = {
            name: value for name, value in given.items() if value not in (None, (), False)
        }
        self._binding = signature.function_for(self._given)

    def call(self, line: Sequence[str], content: Passed | None) -> Call:
        """The call for the arguments of one line."""
        words = self._signature.words
        values = {
            parameter.name: plain(_path(text) if parameter.name == FILE else text)
            for parameter, text in zip(words, line, strict=False)
        }
        for parameter in self._signature.options:
            if parameter.name in self._given:
                values[parameter.name] = self._option(parameter)
        if content:
            values[self._signature.made.content] = content
        for parameter in words:
            self._check(parameter, shown_name(parameter), values.get(parameter.name))
        arguments = [
            values.get(parameter.name, plain(None)) for parameter in self._binding.parameters
        ]
        options = {
            option.name: values[option.name].value
            for option in self._binding.options
            if option.name in values
        }
        about = " ".join(line) or str(self._given.get("subject", ""))
        return Call(self._binding.name, (*arguments, plain(options)), about)

    def _option(self, parameter: Parameter) -> Passed:
        value = self._given[parameter.name]
        if parameter.type.lua == TABLE and isinstance(value, tuple):
            value = dict(map(_pair, value))
        if parameter.name in _PATHS:
            value = tuple(map(_path, value)) if isinstance(value, tuple) else _path(str(value))
        passed = plain(list(value) if isinstance(value, tuple) else value)
        self._check(parameter, f"--{parameter.name}", passed)
        return passed

    def _check(self, parameter: Parameter, name: str, passed: Passed | None) -> None:
        if passed is None:
            return
        try:
            parameter.read(passed)
        except InvalidValue as error:
            raise UsageError(f"{self._command} {name}: {error}") from None


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _path(text: str) -> str:
    """The name of a file, which may be anywhere."""
    return str(Path.cwd() / text)


def require_digests(command: str, lines: Sequence[Sequence[str]]) -> None:
    """Raise UsageError where a manifest is not named by its digest."""
    for line in lines:
        if not Reference.parse(line[0]).digest:
            raise UsageError(
                f"{command}: {line[0]} names no digest, and a manifest goes with every tag on it"
                " (delete one tag with regbot tag rm, or add --force-tag-dereference)"
            )


@contextmanager
def content_from(
    file: str, parameter: str, line: Sequence[str], media_type: str
) -> Iterator[Passed]:
    """What a file or standard input holds, as the function takes it. Raises UsageError."""
    with ExitStack() as ending:
        source = _opened(file, ending)
        name = "standard input" if file in ("", STANDARD) else f"--file {file}"
        try:
            if parameter == "manifest":
                content = _manifest(source, name, line[0], media_type)
            else:
                spool = source if source.seekable() else ending.enter_context(TemporaryFile())
                content = Passed("content", {}, _spooled(source, spool))
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror}") from None
        yield content


def _opened(file: str, ending: ExitStack) -> BinaryIO:
    if file in ("", STANDARD):
        if not sys.stdin or sys.stdin.isatty():
            raise UsageError("give --file FILE, or send the content to standard input")
        return sys.stdin.buffer
    try:
        return ending.enter_context(Path(file).open("rb"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not valid"
        raise UsageError(f"--file {file}: {why}") from None


def _manifest(source: BinaryIO, name: str, target: str, media_type: str) -> Passed:
    """What the source holds, which ``name`` is the name of. Raises UsageError."""
    raw = source.read(DEFAULT_BLOB_LIMIT + 1)
    if len(raw) > DEFAULT_BLOB_LIMIT:
        raise UsageError(f"{name}: a manifest has at most {DEFAULT_BLOB_LIMIT} bytes")
    try:
        return give_manifest(Reference.parse(target), Manifest.parse(raw, media_type))
    except RegbotError as error:
        raise UsageError(f"{name}: {error}") from None


def _spooled(source: BinaryIO, spool: BinaryIO) -> LocalContent:
    """Content that was read to its end, to know its digest, and can be read again."""
    sha256 = hashlib.sha256()
    size = 0
    begin = spool.tell()
    while chunk := source.read(_CHUNK):
        sha256.update(chunk)
        size += len(chunk)
        if spool is not source:
            spool.write(chunk)
    digest = Digest.parse(f"sha256:{sha256.hexdigest()}")

    def chunks() -> Iterator[bytes]:
        spool.seek(begin)
        while chunk := spool.read(_CHUNK):
            yield chunk

    return LocalContent(digest, size, chunks)
