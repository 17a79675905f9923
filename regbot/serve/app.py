"""Answers requests: the routes of all files, and what holds for every answer.

Bottle finds the handler. Around it are the checks that no handler can forget: the method,
the Host header, the tokens, the headers of the answer, and errors, which tell nothing about
the machine and repeat nothing of the request.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any

from bottle import Bottle, HTTPError

from regbot.errors import InternalError, StorageError
from regbot.events import Emit, Message
from regbot.serve import health, pages, streams
from regbot.serve.access import Access, Refusal
from regbot.serve.site import PLAIN, Site

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""

ROUTES = (health, pages, streams)
_METHODS = ("GET", "HEAD", "POST")
_OF_ANYBODY = ("/healthz", "/readyz")
"""A cluster asks for these, by the address of the pod or a name of its own, without a token."""
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d*)?")
_ALWAYS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer whose handler sets no other."""


class _Routes(Bottle):  # type: ignore[misc]
    """Bottle, with errors as plain text."""

    def default_error_handler(self, res: HTTPError) -> str:
        """The text of an error's answer."""
        res.set_header("Content-Type", PLAIN)
        return error_text(res.status_code)


def make_app(site: Site) -> App:
    """The application of a site."""
    routes = _Routes()
    routes.catchall = False
    for each in ROUTES:
        each.add_to(routes, site)
    return guarded(routes, site)


def guarded(app: App, site: Site) -> App:
    """The application behind the checks that hold for every request."""
    access = Access(lambda: site.settings, site.emit, time.monotonic)

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str,
            headers: Headers,
            exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
        ) -> object:
            return start_response(status, complete(headers), exc_info)

        refusal = _refusal(environ, site.names)
        if not refusal and environ["PATH_INFO"] not in _OF_ANYBODY:
            refusal = access.refusal(environ)
        if refusal:
            return _refuse(refusal, start)
        try:
            return app(environ, start)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
            return _refuse(Refusal(_failure(error, site.emit)), start)

    return answer


def complete(headers: Headers) -> Headers:
    """Headers of an answer, with those of every answer that are not among them."""
    given = {name.lower() for name, _ in headers}
    return headers + [(name, text) for name, text in _ALWAYS.items() if name.lower() not in given]


def error_text(status: int, why: str = "") -> str:
    """What an answer with this status says."""
    text = f"{status} {HTTPStatus(status).phrase}\n"
    return f"{text}{why}\n" if why else text


def _refuse(refusal: Refusal, start: StartResponse) -> list[bytes]:
    status = refusal.status
    body = error_text(status, refusal.why).encode()
    headers = [("Content-Type", PLAIN), ("Content-Length", str(len(body))), *refusal.headers]
    start(f"{status.value} {status.phrase}", headers)
    return [body]


def _refusal(environ: Mapping[str, Any], names: frozenset[str]) -> Refusal | None:
    """Why a request gets no answer, whoever asks; None if it gets one."""
    if environ["REQUEST_METHOD"] not in _METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", ", ".join(_METHODS)),))
    if environ["PATH_INFO"] in _OF_ANYBODY or is_for(environ.get("HTTP_HOST", ""), names):
        return None
    return Refusal(HTTPStatus.MISDIRECTED_REQUEST)


def is_for(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names an address, this machine, or one of these names.

    Another name may be one that its owner points at this machine, so that a page of
    theirs may read what is here (DNS rebinding).
    """
    match = _HOST.fullmatch(host.lower())
    if not match:
        return False
    name = match["v6"] or match["name"].removesuffix(".")
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _failure(error: Exception, emit: Emit) -> HTTPStatus:
    """Log an error that no handler expected."""
    if isinstance(error, StorageError):
        emit(Message("warn", f"a request could not be answered: {error}"))
        return HTTPStatus.SERVICE_UNAVAILABLE
    emit(Message("error", f"a request could not be answered: {InternalError(error)}"))
    return HTTPStatus.INTERNAL_SERVER_ERROR
