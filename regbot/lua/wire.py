"""Messages between regbot and the process a script runs in.

A frame is its length, four bytes big-endian, then JSON. Lua strings are bytes:
they travel as text decoded with surrogateescape, so every byte comes back as it
was.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
MAX_FRAME = 256 * 1024 * 1024
"""Bytes; a longer frame is refused where it is written."""
_ROOM = 1024
"""Bytes of a frame beside what it holds."""


def to_text(value: bytes) -> str:
    """Bytes of a Lua string as text that gives them back exactly."""
    return value.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes of a text. Raises UnicodeEncodeError for half a surrogate pair."""
    return text.encode("utf-8", "surrogateescape")


def encode(message: dict[str, Any]) -> bytes:
    """One frame.

    Raises ValueError when the message is longer than MAX_FRAME, or holds half a
    surrogate pair.
    """
    body = content_of(message)
    return _LENGTH.pack(len(body)) + body


def content_of(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """A value as a frame holds it.

    Raises ValueError when it is longer than a frame may be, or holds half a surrogate pair.
    """
    content = to_bytes(_JSON.encode(value))
    if len(content) > MAX_FRAME - _ROOM:
        raise ValueError(f"{len(content)} bytes are more than a call can carry ({MAX_FRAME})")
    return content


def frame_of(name: str, contents: Sequence[bytes]) -> bytes:
    """One frame with a list of values, each from ``content_of``."""
    body = b'{"%b":[%b]}' % (name.encode(), b",".join(contents))
    return _LENGTH.pack(len(body)) + body


def fitting(contents: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The values in as many parts as they need to fit into frames."""
    part: list[bytes] = []
    size = 0
    for content in contents:
        if part and size + len(content) > MAX_FRAME - _ROOM:
            yield part
            part, size = [], 0
        part.append(content)
        size += len(content) + 1
    if part:
        yield part


def decode(body: bytes) -> dict[str, Any]:
    """The message of a frame's body."""
    message = json.loads(to_text(body))
    if not isinstance(message, dict):
        raise TypeError("a frame is not an object")
    return message


def frame_length(header: bytes) -> int:
    """The length a frame's first four bytes announce."""
    (length,) = _LENGTH.unpack(header)
    return int(length)


HEADER_SIZE = _LENGTH.size


def read(stream: BinaryIO) -> dict[str, Any]:
    """The next message of a stream. Raises EOFError where it ends."""
    header = stream.read(HEADER_SIZE)
    if len(header) < HEADER_SIZE:
        raise EOFError
    body = stream.read(frame_length(header))
    return decode(body)


def write(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Send a message at once."""
    stream.write(encode(message))
    stream.flush()


def indented(document: str) -> str:
    """The JSON text of a document, for people."""
    return json.dumps(json.loads(document), indent=2, ensure_ascii=False)
