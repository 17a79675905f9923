"""Errors as answers: a page for a browser, JSON for a program that asks for something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from bottle import HTTPError

from regbot.serve.rendering import POLICY
from regbot.serve.site import PLAIN
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.serve.rendering import Rendering

JSON = "application/json"
_HTML = "text/html; charset=utf-8"


class Refused(HTTPError):  # type: ignore[misc]
    """An error whose reason is told; that of others is only their status."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(status.value, why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with its headers."""

    body: str
    headers: Mapping[str, str]


def wants_page(environ: Mapping[str, Any]) -> bool:
    """Whether a request comes from a browser, which names HTML among what it accepts."""
    return "text/html" in str(environ.get("HTTP_ACCEPT", "")).lower()


def page_headers(policy: str = POLICY) -> Mapping[str, str]:
    """The headers of a page, with what it may do (Content Security Policy, level 3)."""
    return {"Content-Type": _HTML, "Content-Security-Policy": policy}


def error_answer(status: int, why: str, environ: Mapping[str, Any], rendering: Rendering) -> Answer:
    """What an error says. Nothing of the request is repeated that ``why`` doesn't have.

    The page of a POST without the right token has a form that sends it once more.
    """
    phrase, is_post = HTTPStatus(status).phrase, environ["REQUEST_METHOD"] == "POST"
    if wants_page(environ):
        again = is_post and status == HTTPStatus.UNAUTHORIZED
        page = rendering.page("error", title=phrase, why=why, again=again)
        return Answer(page, page_headers())
    if is_post:
        return Answer(json.dumps({"error": why or phrase}) + "\n", {"Content-Type": JSON})
    return Answer(error_text(status, why), {"Content-Type": PLAIN})


def error_text(status: int, why: str = "") -> str:
    """What an error says as plain text."""
    text = f"{status} {HTTPStatus(status).phrase}\n"
    return f"{text}{why}\n" if why else text
