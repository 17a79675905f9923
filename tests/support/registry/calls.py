"""One request and its reply as values, as the handlers see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from support.registry.faults import Fault


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its whole body. ``role`` is registry, token or storage."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    role: str
    host: str
    scheme: str
    fault: Fault | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def broken(self, kind: str) -> bool:
        return self.fault is not None and self.fault.kind == kind


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``close`` ends the connection without sending it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    close: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """A request as it was seen. ``path`` has the query; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    size: int
    role: str


def json_reply(status: int, data: object, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps(data).encode()
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, body)


def error(
    status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None
) -> Reply:
    """An OCI error body (distribution spec, "Error Codes")."""
    problem = {"code": code, "message": message or code.replace("_", " ").lower(), "detail": None}
    return json_reply(status, {"errors": [problem]}, headers)
