"""Error answers as errors: the status, and what the body says in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import unescape
from http import HTTPStatus
from typing import Any

from regbot.errors import RegistryError, registry_error
from regbot.http.urls import printable, redacted

MOST_OF_A_BODY = 64 * 1024
_MOST_ERRORS = 5
_TITLE = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)


def fault(
    method: str, url: str, status: int, body: bytes, secrets: Iterable[str] = ()
) -> RegistryError:
    """The error for an answer (distribution spec, "Error Codes").

    ``secrets`` are texts the server knows of us and may have put into its answer.
    """
    codes, _ = _oci_errors(_json(body))
    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    said = summary(body)
    for secret in secrets:
        said = said.replace(printable(secret), "***")
    why = f"{name}: {said}" if said else name
    return registry_error(why, method=method, url=redacted(url), status=status, codes=codes)


def summary(body: bytes) -> str:
    """What the body of an error answer says, for people; empty when nothing."""
    data = _json(body)
    codes, messages = _oci_errors(data)
    if codes or messages:
        return printable("; ".join(messages), 500)
    if isinstance(data, dict):
        for key in ("error_description", "details", "detail", "message", "error"):
            if isinstance(data.get(key), str) and data[key]:
                return printable(data[key])
        return ""
    text = body.lstrip()[:1000].decode("utf-8", "replace")
    if text.startswith("<"):
        title = _TITLE.search(text)
        said = f": {printable(unescape(title[1]))}" if title and title[1].strip() else ""
        return f"an HTML page came back, not the answer of a registry{said}"
    return printable(text) if text and data is None else ""


def _json(body: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _oci_errors(data: object) -> tuple[tuple[str, ...], list[str]]:
    errors = data.get("errors") if isinstance(data, dict) else None
    codes: list[str] = []
    messages: list[str] = []
    for error in errors[:_MOST_ERRORS] if isinstance(errors, list) else []:
        if not isinstance(error, dict):
            continue
        code, message = error.get("code"), error.get("message")
        code = printable(code, 60).upper() if isinstance(code, str) else ""
        message = printable(message) if isinstance(message, str) else ""
        codes += [code] if code else []
        messages += [f"{code} {message}".strip()] if code or message else []
    return tuple(codes), messages
