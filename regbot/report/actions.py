"""Actions as the lines of a table, whether they are planned, done or of the past."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

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
_DELETES = (DeleteTag.verb, DeleteManifest.verb)
_NUMBERS = re.compile(r"([0-9]+)")
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
    why = "; ".join((*filter(None, [row.why]), *(f"with {carried}" for carried in row.carried)))
    return (row.script, row.action, row.status, row.reference, row.digest, why)


def action_lines(rows: Iterable[Row]) -> list[Line]:
    """Rows under their script and repository, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.script, row.repository), []).append(row)
    scripts = {script: place for place, (script, _) in reversed([*enumerate(groups)])}
    in_order = sorted(groups, key=lambda group: scripts[group[0]])
    return [line for group in in_order for line in _lines(groups[group])]


def _lines(rows: Iterable[Row]) -> Iterator[Line]:
    """The lines of one repository. Deletes that follow one another are in the order of tags."""
    for is_delete, some in groupby(rows, lambda row: row.action in _DELETES):
        removals: dict[str | int, list[Row]] = {}
        for number, row in enumerate(some):
            removals.setdefault(row.removal or number, []).append(row)
        together = [_main_first(removal) for removal in removals.values()]
        if is_delete:
            together.sort(key=lambda parts: _by_name(parts[0][0]))
        for images, along in together:
            *others, last = images
            yield from map(_line, others)
            yield _line(last, along)


def _main_first(removal: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of a removal that stand alone, and those of what they take along."""
    along = [row for row in removal if row.part and row.status in ("planned", "done")]
    images = [row for row in removal if row not in along] or [along.pop(0)]
    return sorted(images, key=_by_name), along


def _by_name(row: Row) -> tuple[bool, list[tuple[bool, int, str]]]:
    """What deletes are ordered by: what stays at the end, and numbers in tags by their value."""
    parts = _NUMBERS.split(row.name)
    key = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
    return row.status == "kept", key


def _line(row: Row, along: Sequence[Row] = ()) -> Line:
    planned, done, style = _WORDS.get(row.action, (row.action, row.action, ""))
    word, why = done if row.status in ("done", "restored") else planned, row.why
    if row.status in _STYLES:
        word = "stays" if row.status == "kept" else row.status
        style = _STYLES[row.status]
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
        below=(
            *(f"with {carried}" for carried in row.carried),
            *(f"with {part.part} {part.name}" for part in along),
        ),
    )
