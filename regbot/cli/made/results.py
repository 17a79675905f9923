"""Prints what the calls of a command gave."""

from __future__ import annotations

import json
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from regbot.cli.made.format import Template
from regbot.cli.made.format_functions import text_of
from regbot.cli.made.signature import Signature
from regbot.cli.made.table import Form
from regbot.cli.output import show
from regbot.config.values import Call
from regbot.errors import InvalidValue, Stopped, UsageError
from regbot.events import Emit, Ending, Printed, ignore
from regbot.files import replace_by_pieces
from regbot.lua.api.artifact import TITLE
from regbot.lua.binding import Passed
from regbot.lua.wire import to_bytes
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.report.shown import visible
from regbot.store.protocol import ReadStores
from regbot.values import dataclass

_RAW = ("raw-body", "rawBody", "body")
"""What ``--format`` calls the exact bytes."""
_DESCRIPTOR = ("mediaType", "digest", "size")


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to be written, and the name of a file for them."""

    name: str
    chunks: Iterable[bytes]


_FORMS: dict[str, Form] = {
    "string[]": "lines",
    "string": "text",
    "integer": "text",
    "number?": "text",
    "table": "json",
    "": "nothing",
    "regbot.DescriptorFields[]": "descriptors",
}
"""How a result of this type is printed, unless the table of commands says more."""


class Results:
    """What is printed of each result, in the form that was asked for.

    ``named``: there are several calls, so each line says what it is about. ``full``: a listed
    name is a full one.
    """

    def __init__(
        self,
        signature: Signature,
        *,
        template: str = "",
        as_json: bool = False,
        named: bool = False,
        full: bool = False,
        folder: str | None = None,
    ) -> None:
        made, binding = signature.made, signature.binding
        self._made = made
        self._as_json = as_json
        self._named = named
        self._full = full or named
        self._form: Form = made.form or _FORMS[binding.result]
        is_raw = template in _RAW and self._form == "exact"
        if template and not is_raw and "{{" not in template:
            raise UsageError(
                f"--format {template}: write what to print as '{{{{.Field}}}}'"
                " (docs/commands.md lists what a template may have)"
            )
        self._template = Template(template) if template and not is_raw else None
        self._folder = Path(folder) if folder else None
        self._waits = binding.changes
        self._waiting: list[str] = []
        self._is_seen = bool(sys.stdout and sys.stdout.isatty())
        self._lost: click.exceptions.Exit | None = None
        self.emit: Emit = ignore

    @property
    def is_exact(self) -> bool:
        """Whether bytes are printed as they are."""
        is_exact = self._form in ("exact", "files")
        return is_exact and not self._as_json and self._template is None

    def answered(self, call: Call, result: Passed, stores: ReadStores) -> None:
        """Print a result; that of a change is printed at the end. Raises Stopped."""
        if self.is_exact:
            self._show_bytes(contents_of(call, result, stores))
            return
        text = self._text(call, result)
        if text is None:
            return
        text = _encodable(text)
        if self._is_seen:
            text = _visible(text)
        if self._waits:
            self._waiting.append(text)
        else:
            self.emit(Printed(self._made.name, text))

    def finish(self, status: Ending) -> None:
        """Print what has waited for the end. Raises click's Exit if nobody reads it."""
        for text in self._waiting if status == "done" else ():
            self.emit(Printed(self._made.name, text))
        if self._lost:
            raise self._lost

    def _text(self, call: Call, result: Passed) -> str | None:
        """The lines to print, without the last line feed; None for no line at all."""
        if self._template:
            fields = self._fields(call, result)
            text = self._template.render(value_of(result), fields)
            return text.removesuffix("\n")
        value = value_of(result)
        if self._as_json:
            shown = {"name": call.about, "value": value} if self._named else value
            return json.dumps(shown, ensure_ascii=False)
        lines = list(self._lines(call, value))
        return "\n".join(lines) if lines else None

    def _fields(self, call: Call, result: Passed) -> Mapping[str, Any]:
        """What regctl's templates find beside the fields of the result."""
        value = result.value
        if result.kind == "manifest":
            descriptor = {key: value[key] for key in _DESCRIPTOR}
            whole = {**value_of(result), "descriptor": descriptor}
            return {"descriptor": descriptor, "manifest": whole}
        if self._made.listed:
            return {"name": call.about, self._made.listed: value}
        if self._waits and isinstance(value, str):
            return {"manifest": {"descriptor": {"digest": value}}}
        return {}

    def _lines(self, call: Call, value: Any) -> Iterator[str]:  # noqa: ANN401
        match self._form:
            case "lines":
                before = self._full_name(call) if self._full else ""
                yield from (f"{before}{name}" for name in value)
            case "descriptors":
                yield from _described(value)
            case "tree":
                yield from _branches(value)
            case "json" if value is not None:
                yield json.dumps(value, ensure_ascii=False, indent=2)
            case "digest" | "moment" | "text":
                text = _text_of(value, self._form)
                if text:
                    yield f"{call.about}  {text}" if self._named else text

    def _full_name(self, call: Call) -> str:
        """What makes the full name of something that was listed, before its own name."""
        if self._made.joint == "/":
            return f"{call.about}/"
        return f"{Reference.parse(call.about).without_name}{self._made.joint}"

    def _show_bytes(self, contents: Sequence[Content]) -> None:
        """Write contents to files, or the only one to standard output. Raises RegbotError."""
        if self._folder:
            _write_all(self._folder, contents)
            return
        if len(contents) > 1:
            names = ", ".join(content.name for content in contents)
            raise InvalidValue(f"there are {len(contents)} files: choose with --file: {names}")
        chunks = contents[0].chunks
        try:
            for chunk in readable(chunks) if self._is_seen else chunks:
                show(lambda stream, chunk=chunk: stream.buffer.write(chunk))  # type: ignore[misc]
        except click.exceptions.Exit as lost:
            self._lost = lost
            raise Stopped("nobody reads what is printed") from None


def _encodable(text: str) -> str:
    """The text with what UTF-8 can't have, half a character that JSON names, as JSON names it."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def contents_of(call: Call, result: Passed, stores: ReadStores) -> Sequence[Content]:
    """The bytes of a manifest, of a blob, or of the files of an artifact."""
    if result.kind == "manifest":
        return [Content("", (to_bytes(result.value["raw"]),))]
    if result.kind == "blob":
        blobs, name = [result.value], result.value["reference"]
    else:
        blobs, name = result.value, call.about
    store = stores.open(Reference.parse(name))
    contents = []
    for blob in blobs:
        digest = Digest.parse(blob["digest"])
        title = Path((blob.get("annotations") or {}).get(TITLE) or "").name
        named = title not in ("", "..") and title.isprintable()
        contents.append(Content(title if named else digest.hex, store.blob(digest, blob["size"])))
    return contents


def _write_all(folder: Path, contents: Sequence[Content]) -> None:
    """Write each content to its file, which is there as a whole or not at all."""
    names = [content.name for content in contents]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidValue(f"two files are called {twice}: choose with --file-media-type")
    for content in contents:
        replace_by_pieces(folder / content.name, content.chunks)


def readable(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Content for a terminal: nothing in it that a terminal would obey, and a last line feed."""
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks:
        yield _visible(decoder.decode(chunk)).encode()
    yield _visible(decoder.decode(b"", final=True)).encode() + b"\n"


def _visible(text: str) -> str:
    """A text with its lines as they are, and escapes for what else is not printable."""
    return "\n".join(map(visible, text.replace("\t", "    ").split("\n")))


def value_of(result: Passed) -> Any:  # noqa: ANN401 - any JSON value
    """A result as JSON has it."""
    fields = result.value
    match result.kind:
        case "manifest" if fields.get("bodyless"):
            return {key: fields[key] for key in _DESCRIPTOR}
        case "manifest" | "config":
            return json.loads(to_bytes(fields["raw"]))
        case "blob":
            return {key: fields[key] for key in ("digest", "size")}
        case "values":
            return dict(zip(("digest", "size"), fields, strict=True))
    return fields


def _text_of(value: Any, form: Form) -> str:  # noqa: ANN401 - any JSON value
    """A result that is a word or a text; empty for none."""
    if form == "digest" and not isinstance(value, str):
        return str(value["digest"])
    if form == "moment" and value is not None:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return text_of(value)


def _described(descriptors: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One descriptor on a line: digest, what it is, and bytes."""
    for descriptor in descriptors:
        kind = descriptor.get("artifactType") or descriptor.get("mediaType") or "-"
        yield visible(f"{descriptor['digest']}  {kind}  {descriptor['size']}")


def _branches(branch: dict[str, Any], before: str = "", deeper: str = "") -> Iterator[str]:
    """A manifest and what belongs to it, each on a line of its own below it."""
    words = [branch[key] for key in ("digest", "platform", "tag") if branch.get(key)]
    words.append(branch.get("artifactType") or branch.get("mediaType") or "missing")
    yield before + visible("  ".join(words))
    parts = [*branch.get("manifests", ()), *branch.get("referrers", ())]
    for part in parts:
        is_last = part is parts[-1]
        begins, goes_on = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _branches(part, deeper + begins, deeper + goes_on)
