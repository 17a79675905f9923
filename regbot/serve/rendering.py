"""Pages as HTML: the templates, and how values look in them.

Every text is escaped, and the paths of the machine in it are cut to their last part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from urllib.parse import quote

from regbot.report.as_html import escaping_engine, stylesheet
from regbot.report.shown import age, visible
from regbot.values import dataclass
from regbot.version import __version__

STYLE, SCRIPT = "regbot.css", "regbot.js"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src data:",  # the empty icon, so that none is asked for
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The content security policy of every page but a run's report, which has one of its own."""
_PATH = re.compile(
    r"((?<=ocidir://)|(?<![\w.~:/@%\]-]))(?:/[^/\s:;,'\"<>()\[\]]+)+/(?=[^/\s:;,'\"<>])"
)
_NOW = 90.0
"""Seconds that are not worth counting."""


def without_paths(text: str) -> str:
    """A text in which absolute paths are cut to their last part, as ``.../regbot.yml``."""
    return _PATH.sub(".../", text) if "/" in text else text


def distance(at: float, now: float) -> str:
    """How far away a time is, such as ``3 hours ago`` or ``in 2 days``."""
    if abs(at - now) < _NOW:
        return "just now" if at <= now else "soon"
    return f"{age(now - at)} ago" if at < now else f"in {age(at - now)}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a page shows it: for programs, for people, its zone, and how far away it is."""

    iso: str
    text: str
    zone: str
    distance: str

    @classmethod
    def of(cls, at: datetime, now: float) -> Moment:
        """A time in its own zone."""
        iso = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        text = f"{at:%Y-%m-%d %H:%M}"
        return cls(iso, text, str(at.tzinfo), distance(at.timestamp(), now))

    @classmethod
    def utc(cls, seconds: float, now: float) -> Moment:
        """A time in seconds since 1970, in UTC."""
        return cls.of(datetime.fromtimestamp(seconds, UTC), now)


class Rendering:
    """The templates of pages. ``now`` is in seconds since 1970. Threads may share it."""

    def __init__(self, now: Callable[[], float]) -> None:
        import jinja2
        from markupsafe import Markup

        self._engine = escaping_engine(lambda text: visible(without_paths(text)))
        self._engine.loader = jinja2.FunctionLoader(_template)
        self._engine.filters["moment"] = lambda seconds: Moment.utc(seconds, now())
        self._engine.filters["in_path"] = lambda name: quote(name, safe="")
        self._engine.filters["in_zone"] = lambda at: Moment.of(at, now())
        self._engine.globals |= {
            "version": __version__,
            "style": Markup(_address(STYLE)),  # noqa: S704 - of this package
            "script": Markup(_address(SCRIPT)),  # noqa: S704 - of this package
        }

    def page(self, name: str, **values: object) -> str:
        """The page that the template ``NAME.html.j2`` makes of values."""
        return self._engine.get_template(name).render(values)


def _template(name: str) -> str:
    return _part(f"{name}.html.j2")


def _part(name: str) -> str:
    return files("regbot.serve").joinpath("templates", name).read_text(encoding="utf-8")


def static_files() -> Mapping[str, str]:
    """The files that pages name, by their own names."""
    return MappingProxyType({STYLE: stylesheet() + _part(STYLE), SCRIPT: _part(SCRIPT)})


def _address(name: str) -> str:
    """The path of a file, which changes with its content, so that it may be kept for long."""
    digest = sha256(static_files()[name].encode()).hexdigest()
    return f"/static/{digest[:16]}/{name}"
