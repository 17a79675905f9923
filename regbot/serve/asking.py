"""What a server can be asked for: a run of a script or its end, a plan, and to carry one out.

``access`` has let a request through before it gets here. A program is answered with JSON.
A browser is sent on to the page that shows what becomes of it, so that a reload asks for
that page and not for another run (303, RFC 9110 section 15.4.4).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from bottle import HTTPResponse, request

from regbot.errors import Conflict, InvalidValue, NotFound, RegbotError, Stopped, StorageError
from regbot.events import Message
from regbot.serve.access import asked_fields
from regbot.serve.answers import JSON, Refused, wants_page

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.serve.site import Site

_SCRIPT = r"<name:re:[\s\S]+?>"
"""The name of a script, which may have slashes and line breaks."""


def add_to(app: Bottle, site: Site) -> None:
    """Add the routes."""

    def route(path: str, verb: str, ask: Callable[[str], object], page: str) -> None:
        def answer(name: str) -> HTTPResponse:
            return _asked(site, verb, name, ask, page.format(quote(name, safe="")))

        app.post(path, callback=answer)

    route(f"/scripts/{_SCRIPT}/run", "run", site.service.run_now, "/")
    route(f"/scripts/{_SCRIPT}/plan", "plan", site.service.plan_now, "/")
    route("/runs/<name>/cancel", "cancel", _cancel(site), "/runs/{}")
    route("/plans/<name>/apply", "apply", _of_whole_id(site, site.service.apply), "/plans/{}")
    route("/plans/<name>/approve", "approve", _of_whole_id(site, site.service.approve), "/plans/{}")


def _cancel(site: Site) -> Callable[[str], None]:
    """End a run that workers share; where the state is a folder there is none."""

    def asked(run: str) -> None:
        if not site.units:
            raise NotFound(f"no run {run} is shared by workers (for that, state is a database)")
        if not site.units.cancel(run):
            raise Conflict(f"{run} had ended already")

    return asked


def _of_whole_id(site: Site, ask: Callable[[str], object]) -> Callable[[str], object]:
    """The same for whole ids alone: a program that cuts one off must not hit another plan."""

    def asked(plan: str) -> None:
        journal = site.service.journal
        if journal and journal.plan(plan).id != plan:
            raise NotFound(f"there is no plan {plan} (give its whole id)")
        ask(plan)

    return asked


def _asked(
    site: Site, verb: str, name: str, ask: Callable[[str], object], page: str
) -> HTTPResponse:
    """Ask the service for something, and log that with where it came from."""
    fields = asked_fields(request.environ)
    try:
        ask(name)
    except RegbotError as error:
        site.emit(Message("warn", f"refused a request: {error}", fields))
        raise Refused(_status(error), str(error)) from None
    site.emit(Message("info", f"was asked to {verb}: {name}", fields))
    if wants_page(request.environ):
        return HTTPResponse(status=HTTPStatus.SEE_OTHER.value, headers={"Location": page})
    body = json.dumps({"asked": verb, "name": name, "see": page}) + "\n"
    return HTTPResponse(body, HTTPStatus.ACCEPTED.value, {"Content-Type": JSON})


def _status(error: RegbotError) -> HTTPStatus:
    if isinstance(error, NotFound | InvalidValue):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, Stopped | StorageError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.CONFLICT
