"""A report as a single HTML page without external resources.

Its content security policy allows only the page's own style and script, by their
hashes, and no requests. The template engine escapes every text.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

from regbot.report import shown
from regbot.report.model import STATUSES, Report
from regbot.values import dataclass

if TYPE_CHECKING:
    from jinja2 import Environment

_BARS = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart; ``width`` is a percentage of the longest."""

    name: str
    size: str
    width: float


def as_html(report: Report) -> str:
    """The report as a page."""
    from markupsafe import Markup

    style, script = stylesheet(), _part("report.js")
    engine = escaping_engine()
    engine.filters["about"] = shown.about
    return engine.from_string(_part("report.html.j2")).render(
        report=report,
        shown=shown,
        statuses=STATUSES,
        bars=bars(report),
        style=Markup(style),  # noqa: S704 - of this package
        script=Markup(script),  # noqa: S704 - of this package
        policy="; ".join(
            (
                "default-src 'none'",
                "img-src data:",  # the empty icon, so that none is asked for
                f"style-src '{_hash(style)}'",
                f"script-src '{_hash(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


def escaping_engine(show: Callable[[str], str] = shown.visible) -> Environment:
    """A template engine that escapes every text, after ``show`` made it fit to be read."""
    import jinja2

    def finalize(value: object) -> object:
        """A value as the engine shows it; what is already HTML is left as it is."""
        is_text = isinstance(value, str) and not hasattr(value, "__html__")
        return show(str(value)) if is_text else value

    engine = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {
        "size": shown.size,
        "moment": shown.moment,
        "age": shown.age,
        "seconds": shown.seconds,
    }
    return engine


def stylesheet() -> str:
    """The style of reports, which the pages of a server share."""
    return _part("report.css")


def bars(report: Report) -> list[Bar]:
    """Bytes that could be freed in each repository, largest first; the rest as one bar."""
    sizes: Counter[str] = Counter()
    for line in report.repositories:
        sizes[line.repository] += line.bytes_only or 0
    ranked = [(name, size) for name, size in sizes.most_common() if size]
    rest = ranked[_BARS:]
    named = ranked[:_BARS]
    if rest:
        named.append((f"{len(rest)} others", sum(size for _, size in rest)))
    longest = max((size for _, size in named), default=1)
    return [
        Bar(shown.visible(name), shown.size(size), max(0.5, round(100 * size / longest, 1)))
        for name, size in named
    ]


def _part(name: str) -> str:
    return files("regbot.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
