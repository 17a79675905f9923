"""Error answers as errors: the status, and what the body says in one line."""

from __future__ import annotations

import base64
import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from regbot.errors import RegistryError, registry_error
from regbot.http.exchange import Request, Response
from regbot.redaction import printable

MOST_OF_A_BODY = 64 * 1024
FORM = "application/x-www-form-urlencoded"
_MOST_ERRORS = 5
_BAD_REQUEST = 400
_WANTS_TLS = re.compile(r"HTTPS (?:server|port)")
_TITLE = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)


def error_of(answer: Response) -> RegistryError:
    """The error for an answer, whose body is read (distribution spec, "Error Codes")."""
    request, status = answer.request, answer.status
    body = answer.start(MOST_OF_A_BODY)
    codes, _ = _oci_errors(_json(body))
    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    text = summary(body)
    for secret in _secrets(request):
        text = text.replace(printable(secret), "***")
    why = f"{name}: {text}" if text else name
    if status == _BAD_REQUEST and request.url.startswith("http:") and _WANTS_TLS.search(text):
        why += "; it uses TLS (set tls: enabled for it)"
    return registry_error(why, method=request.method, url=request.url, status=status, codes=codes)


def _secrets(request: Request) -> list[str]:
    """The texts of a request that a server might repeat and no error may show."""
    scheme, _, value = request.authorization.partition(" ")
    secrets = [value]
    if scheme == "Basic":
        secrets.append(base64.b64decode(value).decode("utf-8", "replace").partition(":")[2])
    if isinstance(request.body, bytes) and request.headers.get("Content-Type") == FORM:
        secrets += [value for name, value in parse_qsl(request.body.decode()) if "token" in name]
    return [secret for secret in secrets if secret]


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
        from html import unescape

        title = _TITLE.search(text)
        titled = f": {printable(unescape(title[1]))}" if title and title[1].strip() else ""
        return f"the response is an HTML page, not a registry's answer{titled}"
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
