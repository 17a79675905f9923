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

from bottle import Bottle, HTTPError, request

from regbot.errors import InternalError, StorageError
from regbot.events import Emit, Message
from regbot.serve import asking, health, metrics, pages, plans, streams
from regbot.serve.access import Access, Refusal
from regbot.serve.answers import Answer, Refused, error_answer
from regbot.serve.rendering import Rendering
from regbot.serve.site import Site

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""

ROUTES = (asking, health, metrics, pages, plans, streams)
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
    """Bottle, with errors in regbot's words."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__()
        self._rendering = rendering

    def default_error_handler(self, res: HTTPError) -> str:
        """The body of an error's answer."""
        why = res.why if isinstance(res, Refused) else ""
        answer = error_answer(res.status_code, why, request.environ, self._rendering)
        for name, value in answer.headers.items():
            res.set_header(name, value)
        return answer.body


def make_app(site: Site) -> App:
    """The application of a site."""
    routes = _Routes(Rendering(site.now))
    routes.catchall = False
    for each in ROUTES:
        each.add_to(routes, site)
    return guarded(routes, site)


def guarded(app: App, site: Site) -> App:
    """The application behind the checks that hold for every request."""
    access = Access(lambda: site.settings, site.emit, time.monotonic)
    rendering = Rendering(site.now)

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str,
            headers: Headers,
            exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
        ) -> object:
            return start_response(status, complete(headers), exc_info)

        refusal = _refusal(environ, site.names)
        if not refusal and not _is_for_anybody(environ["PATH_INFO"]):
            refusal = access.refusal(environ)
        if not refusal:
            try:
                return app(environ, start)
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
                refusal = Refusal(_failure(error, site.emit))
        page = error_answer(refusal.status, refusal.why, environ, rendering)
        body = _refuse(refusal, page, start)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    return answer


def complete(headers: Headers) -> Headers:
    """Headers of an answer, with those of every answer that are not among them."""
    given = {name.lower() for name, _ in headers}
    return headers + [(name, text) for name, text in _ALWAYS.items() if name.lower() not in given]


def _refuse(refusal: Refusal, answer: Answer, start: StartResponse) -> list[bytes]:
    body = answer.body.encode()
    length = ("Content-Length", str(len(body)))
    status = f"{refusal.status.value} {refusal.status.phrase}"
    start(status, [*answer.headers.items(), length, *refusal.headers])
    return [body]


def _refusal(environ: Mapping[str, Any], names: frozenset[str]) -> Refusal | None:
    """Why a request gets no answer, whoever asks; None if it gets one."""
    if environ["REQUEST_METHOD"] not in _METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", ", ".join(_METHODS)),))
    if environ["PATH_INFO"] in _OF_ANYBODY or is_for(environ.get("HTTP_HOST", ""), names):
        return None
    return Refusal(HTTPStatus.MISDIRECTED_REQUEST)


def _is_for_anybody(path: str) -> bool:
    """Whether a path needs no token: what is there is the same on all servers."""
    return path in _OF_ANYBODY or path.startswith("/static/")


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
