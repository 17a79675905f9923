"""Actions as the lines of a table, whether they are planned, done or of the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from regbot.plan.action import (
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.report import shown
from regbot.report.layout import Column, Line
from regbot.report.model import Row

ACTION_COLUMNS = (
    Column(),
    Column(is_name=True),
    Column(left_out=1),
    Column(is_number=True, left_out=2),
    Column(left_out=3, from_width=100),
)
"""What is done, the tag, the age and the size of its image, its digest."""

_WORDS: Mapping[str, tuple[str, str, str]] = {
    DeleteTag.verb: ("delete", "deleted", "red"),
    DeleteManifest.verb: ("delete", "deleted", "red"),
    CopyImage.verb: ("copy", "copied", "green"),
    PutManifest.verb: ("put", "put", "blue"),
    PutBlob.verb: ("put", "put", "blue"),
    ImportTar.verb: ("import", "imported", "blue"),
    ExportTar.verb: ("export", "exported", "blue"),
    "restore": ("restore", "restored", "green"),
}
"""What an action is called when it is planned and when it is done, and its colour."""
_STYLES: Mapping[str, str] = {
    "skipped": "yellow",
    "kept": "yellow",
    "failed": "bold red",
    "begun": "bold yellow",
    "stopped": "bold yellow",
    "unchanged": "dim",
}


def plain_cells(row: Row) -> tuple[str, ...]:
    """A row as one line for programs: script, action, status, reference, digest, reason."""
    return (row.script, row.action, row.status, row.reference, row.digest, row.why)


def action_lines(rows: Iterable[Row]) -> list[Line]:
    """Rows under their script and repository, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.script, row.repository), []).append(row)
    scripts = {script: place for place, (script, _) in reversed([*enumerate(groups)])}
    in_order = sorted(groups, key=lambda group: scripts[group[0]])
    return [_line(row) for group in in_order for row in groups[group]]


def _line(row: Row) -> Line:
    planned, done, style = _WORDS.get(row.action, (row.action, row.action, ""))
    word, why = done if row.status in ("done", "restored") else planned, row.why
    if row.status in _STYLES:
        word, style = row.status, _STYLES[row.status]
        if planned not in ("delete", "restore") or row.status == "begun":
            why = f"{planned} {why}" if row.source else f"{planned}: {why}"
    return Line(
        cells=(
            word,
            row.name or row.digest,
            shown.age(row.age_seconds),
            "" if row.size is None else shown.size(row.size),
            row.digest if row.name and row.name != row.digest else "",
        ),
        text=why,
        headings=(row.script, row.repository) if row.script else (row.repository,),
        style=style,
    )
