"""``/live``: what happens now, as server-sent events (HTML Standard, section 9.2).

A stream is of one run with ``?run=ID``, or tells when something changed. It takes a thread,
so there are few of them, and it ends when the server does.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from bottle import HTTPResponse, request

from regbot.serve.pages import log_line

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.serve.live import News, Reader
    from regbot.serve.site import Site

_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
_LOOKS = 0.5
"""Seconds between two looks whether the server ends."""
_QUIET = 30
"""Looks after which a comment is sent, so that a reader who is gone is noticed."""


def add_to(app: Bottle, site: Site) -> None:
    """Add the route."""

    def live() -> HTTPResponse:
        reader = site.live.look(request.query.getunicode("run", ""))
        if not reader:
            text = "too many pages are shown live (this one is complete when it is loaded again)\n"
            return HTTPResponse(text, status=HTTPStatus.SERVICE_UNAVAILABLE.value)
        return HTTPResponse(Stream(site, reader), headers=_HEADERS)

    app.get("/live", callback=live)


class Stream:
    """The events for one reader. The server closes it, also when the reader is gone."""

    def __init__(self, site: Site, reader: Reader) -> None:
        self._site = site
        self._reader = reader
        self._events = self._all()

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    def close(self) -> None:
        """Nobody reads any more."""
        self._site.live.look_away(self._reader)
        self._events.close()

    def _all(self) -> Generator[bytes]:
        yield b"retry: 5000\n\n"
        reader = self._reader
        if reader.run:
            yield _event("lines", [log_line(line) for line in reader.lines])
        quiet = 0
        while not self._site.ending.is_set():
            news = reader.next(_LOOKS)
            if news:
                quiet = 0
                yield _event_of(news)
                if news.has_ended:
                    return
                continue
            quiet += 1
            if quiet == _QUIET:
                quiet = 0
                yield b": nothing new\n\n"


def _event_of(news: News) -> bytes:
    if news.line is not None:
        return _event("line", log_line(news.line))
    if news.lost:
        noun = "line is" if news.lost == 1 else "lines are"
        return _event("lost", f"{news.lost} {noun} left out here: load the page again")
    return _event("ended" if news.has_ended else "changed", None)


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
