"""Values as text for people, the same in every format of a report."""

from __future__ import annotations

import re
from collections import Counter

from regbot.report.model import STATUSES, Report, RepositoryLine
from regbot.units import format_duration, format_moment, format_size

Cells = tuple[str, ...]

UNKNOWN = "unknown"
BYTES_TITLE = "could be freed"
BYTES_EXPLAINED = (
    "Bytes that only the deleted tags used, which garbage collection of the registry could free."
    " Layers that remaining tags use don't count. Layers that several lines share are counted"
    " on the first of them."
)

_LONG_DIGEST = re.compile(r"\b(sha(?:256|512)[:-][0-9a-f]{12})[0-9a-f]{20,}\.?")
_HEADINGS = {
    "once": "Run",
    "server": "Run of a server",
    "run": "Run of one script",
    "plan": "Plan",
    "apply": "Plan applied",
    "library": "Run from Python",
}
_AGES = (("year", 365.25 * 86400), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


def visible(text: str) -> str:
    r"""Text in which unprintable characters are escaped, because they hide or reorder text.

    Control and bidi characters, line breaks and bytes that are not UTF-8 become escapes
    such as ``\u202e``, ``\n`` and ``\xff``.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def brief(text: str) -> str:
    """A text in which digests are cut to their first digits, as where there is little room."""
    return _LONG_DIGEST.sub(r"\1...", text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def heading(report: Report) -> str:
    """The report's title."""
    what = _HEADINGS[report.kind]
    return f"Dry {what[0].lower()}{what[1:]}" if report.dry_run and report.kind != "plan" else what


def count(value: int | None) -> str:
    """A number, or that it is unknown."""
    return UNKNOWN if value is None else str(value)


def size(value: int | None) -> str:
    """A size with its unit, or that it is unknown."""
    return UNKNOWN if value is None else format_size(value)


def moment(value: float | None) -> str:
    """A time in UTC, to the second; empty if unknown."""
    return "" if value is None else format_moment(float(int(value)))


def seconds(value: float) -> str:
    """A short duration."""
    return format_duration(round(value, 1))


def age(value: float | None) -> str:
    """An age in its largest unit; empty if unknown."""
    if value is None:
        return ""
    for unit, length in _AGES:
        if value >= 2 * length:
            return f"{int(value / length)} {unit}s"
    return "new"


def statuses(report: Report) -> str:
    """The totals of a report, such as ``3 planned; 1 of 2 scripts failed``."""
    counts, runs = report.counts, report.runs
    actions = [f"{counts[status]} {status}" for status in STATUSES if counts.get(status)]
    endings = Counter(run.status for run in runs)
    scripts = [
        f"{endings[ending]} of {len(runs)} script{'' if len(runs) == 1 else 's'} {ending}"
        for ending in ("failed", "stopped")
        if endings[ending]
    ]
    if not scripts:
        return ", ".join(actions) or "nothing to do"
    return "; ".join((", ".join(actions) or "no actions", *scripts))


def freed(report: Report) -> str:
    """A sentence about the bytes that could be freed."""
    if not any(line.deleted for line in report.repositories):
        return "Nothing is deleted, so garbage collection would free nothing more."
    sentence = f"Garbage collection could free up to {size(report.bytes_known)}"
    unknown = report.lines_unknown
    if not unknown:
        return f"{sentence}."
    which = "one repository" if unknown == 1 else f"{unknown} repositories"
    if not report.bytes_known:
        return f"How much garbage collection could free in {which} is unknown."
    return f"{sentence}, and an unknown amount in {which} more."


def about(names: list[str]) -> str:
    """The names of up to three repositories, or how many there are."""
    if len(names) <= 3:
        return ", ".join(visible(name) for name in names)
    return f"{len(names)} repositories"


_LINE_COLUMNS = (
    "script",
    "repository",
    "tags before",
    "deleted",
    "kept",
    "skipped",
    "stopped",
    "failed",
    "other",
    "unchanged",
    BYTES_TITLE,
)


def repository_lines(report: Report) -> tuple[Cells, list[Cells]]:
    """The titles and rows of the table of repositories: script, repository, and numbers.

    A column that is zero or empty in every row is left out.
    """
    rows = list(map(_line_cells, report.repositories))
    told = [
        place
        for place, _ in enumerate(_LINE_COLUMNS)
        if any(row[place] not in ("", "0") for row in rows)
    ]
    titles, *cells = [tuple(row[place] for place in told) for row in (_LINE_COLUMNS, *rows)]
    return titles, cells


def _line_cells(line: RepositoryLine) -> Cells:
    is_asked = line.deleted or line.kept is not None or line.tags_before is not None
    return (
        visible(line.script),
        visible(line.repository),
        count(line.tags_before) if is_asked else "",
        str(line.deleted),
        count(line.kept) if is_asked else "",
        str(line.skipped),
        str(line.stopped),
        str(line.failed),
        str(line.other),
        str(line.unchanged),
        size(line.bytes_only) if line.deleted else "",
    )
