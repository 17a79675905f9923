"""Values as people read them, the same words in every form of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from regbot.plan.outcome import Status
from regbot.report.model import STATUSES, Ran, Report, RepositoryLine
from regbot.units import format_duration, format_moment, format_size

NOT_KNOWN = "not known"
BYTES_TITLE = "could be freed"
BYTES_EXPLAINED = (
    "Bytes that only the deleted tags hold: what garbage collection of the registry could free"
    " at most. Layers that tags which stay also use don't count, and what several lines share"
    " counts on the first of them."
)

_HEADINGS = {"once": "Run", "run": "Run of one script", "plan": "Plan", "apply": "Plan applied"}
_AGES = (("year", 365.25 * 86400), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


def visible(text: str) -> str:
    r"""Text without characters that hide or reorder: they are written as escapes.

    Control and bidi characters, line breaks and bytes that are no UTF-8 become
    such as ``\u202e``, ``\n`` and ``\xff``.
    """
    return text if text.isprintable() else "".join(map(_visible_one, text))


def _visible_one(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def heading(report: Report) -> str:
    """What the report is of."""
    what = _HEADINGS[report.kind]
    return f"Dry {what[0].lower()}{what[1:]}" if report.dry_run and report.kind != "plan" else what


def count(value: int | None) -> str:
    """A number, or that it is not known."""
    return NOT_KNOWN if value is None else str(value)


def size(value: int | None) -> str:
    """Bytes with a unit, or that they are not known."""
    return NOT_KNOWN if value is None else format_size(value)


def moment(value: float | None) -> str:
    """A time in UTC to the second; empty when not known."""
    return "" if value is None else format_moment(float(int(value)))


def seconds(value: float) -> str:
    """A short duration."""
    return format_duration(round(value, 1))


def age(value: float | None) -> str:
    """An age in its largest whole unit; empty when not known."""
    if value is None:
        return ""
    for unit, length in _AGES:
        if value >= 2 * length:
            return f"{int(value / length)} {unit}s"
    return "new"


def statuses(report: Report) -> str:
    """The totals of a report."""
    return totals(report.counts, report.runs)


def totals(counts: Mapping[Status, int], runs: Sequence[Ran]) -> str:
    """A line such as ``1 failed, 12 done`` or ``3 planned; 1 of 2 scripts failed``."""
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
    """One sentence on what could come back."""
    if not any(line.deleted for line in report.repositories):
        return "No tag or manifest goes, so garbage collection would free nothing more."
    sentence = f"Garbage collection could free up to {size(report.bytes_known)}"
    unknown = report.lines_unknown
    if not unknown:
        return f"{sentence}."
    which = "one repository" if unknown == 1 else f"{unknown} repositories"
    if not report.bytes_known:
        return f"What garbage collection could free is not known for {which}."
    return f"{sentence}; for {which} more it is not known."


def about(names: list[str]) -> str:
    """A few repositories by name, more of them by number."""
    if len(names) <= 3:
        return ", ".join(visible(name) for name in names)
    return f"{len(names)} repositories"


LINE_COLUMNS = (
    "script",
    "repository",
    "tags before",
    "deleted",
    "kept",
    "skipped",
    "failed",
    "other",
    BYTES_TITLE,
)


def line_cells(line: RepositoryLine) -> tuple[str, ...]:
    """The cells of a repository's line, as LINE_COLUMNS name them."""
    is_asked = line.deleted or line.kept is not None or line.tags_before is not None
    return (
        visible(line.script),
        visible(line.repository),
        count(line.tags_before) if is_asked else "",
        str(line.deleted),
        count(line.kept) if is_asked else "",
        str(line.skipped),
        str(line.failed),
        str(line.other),
        size(line.bytes_only) if line.deleted else "",
    )
