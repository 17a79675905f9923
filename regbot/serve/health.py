"""Whether the process answers: ``/healthz``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bottle import response

from regbot.serve.site import PLAIN

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.serve.site import Site


def add_to(app: Bottle, _site: Site) -> None:
    """Add the routes."""
    app.get("/healthz", callback=_healthz)


def _healthz() -> str:
    response.set_header("Content-Type", PLAIN)
    return "ok\n"
