"""Prints what the calls of a command gave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import click

from regbot.cli.made.format import Template, text_of
from regbot.cli.made.signature import Signature
from regbot.cli.made.table import Form
from regbot.cli.output import is_terminal, show
from regbot.config.values import Call
from regbot.errors import Stopped
from regbot.events import Emit, Ending, Printed, ignore
from regbot.lua.binding import Passed
from regbot.lua.wire import to_bytes
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.store.protocol import ReadStores

_RAW = ("raw-body", "rawBody", "body")
"""What ``--format`` calls the exact bytes."""
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
    ) -> None:
        made, binding = signature.made, signature.binding
        self._made = made
        self._as_json = as_json
        self._named = named
        self._full = full or named
        self._form: Form = "exact" if template in _RAW else made.form or _FORMS[binding.result]
        self._template = Template(template) if template and template not in _RAW else None
        self._waits = binding.changes
        self._waiting: list[str] = []
        self._lost: click.exceptions.Exit | None = None
        self.emit: Emit = ignore

    @property
    def is_exact(self) -> bool:
        """Whether bytes are printed as they are."""
        return self._form == "exact" and not self._as_json and self._template is None

    def answered(self, call: Call, result: Passed, stores: ReadStores) -> None:
        """Print a result; that of a change is printed at the end. Raises Stopped."""
        if self.is_exact:
            self._show_bytes(result, stores)
            return
        text = self._text(call, result)
        if text is None:
            return
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
            text = self._template.render(value_of(result))
            return text.removesuffix("\n")
        value = value_of(result)
        if self._as_json:
            shown = {"name": call.about, "value": value} if self._named else value
            return json.dumps(shown, ensure_ascii=False)
        lines = list(self._lines(call, value))
        return "\n".join(lines) if lines else None

    def _lines(self, call: Call, value: Any) -> Iterator[str]:  # noqa: ANN401
        match self._form:
            case "lines":
                before = self._full_name(call) if self._full else ""
                yield from (f"{before}{name}" for name in value)
            case "descriptors":
                yield from _described(value)
            case "json":
                if value is not None:
                    yield json.dumps(value, ensure_ascii=False, indent=2)
            case "digest":
                yield self._beside(call, value["digest"])
            case "moment":
                if value is not None:
                    moment = datetime.fromtimestamp(value, UTC)
                    yield self._beside(call, f"{moment:%Y-%m-%dT%H:%M:%SZ}")
            case "text":
                if value is not None:
                    yield self._beside(call, text_of(value))

    def _beside(self, call: Call, text: str) -> str:
        return f"{call.about}  {text}" if self._named else text

    def _full_name(self, call: Call) -> str:
        """What makes the full name of something that was listed, before its own name."""
        if self._made.joint == "/":
            return f"{call.about}/"
        return f"{Reference.parse(call.about).without_name}{self._made.joint}"

    def _show_bytes(self, result: Passed, stores: ReadStores) -> None:
        chunks: Iterable[bytes]
        if result.kind == "blob":
            blob = result.value
            store = stores.open(Reference.parse(blob["reference"]))
            chunks = store.blob(Digest.parse(blob["digest"]), blob["size"])
        else:
            chunks = (to_bytes(result.value["raw"]),)
        try:
            for chunk in chunks:
                show(lambda stream, chunk=chunk: stream.buffer.write(chunk))  # type: ignore[misc]
            if is_terminal(sys.stdout):
                show(lambda stream: print(file=stream))
        except click.exceptions.Exit as lost:
            self._lost = lost
            raise Stopped("nobody reads what is printed") from None


def value_of(result: Passed) -> Any:  # noqa: ANN401 - any JSON value
    """A result as JSON has it."""
    fields = result.value
    match result.kind:
        case "manifest" if fields.get("bodyless"):
            return {key: fields[key] for key in ("mediaType", "digest", "size")}
        case "manifest" | "config":
            return json.loads(to_bytes(fields["raw"]))
        case "blob":
            return {key: fields[key] for key in ("digest", "size")}
        case "values":
            return dict(zip(("digest", "size"), fields, strict=True))
    return fields


def _described(descriptors: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One descriptor on a line: digest, what it is, and bytes."""
    for descriptor in descriptors:
        kind = descriptor.get("artifactType") or descriptor.get("mediaType") or "-"
        yield f"{descriptor['digest']}  {kind}  {descriptor['size']}"
