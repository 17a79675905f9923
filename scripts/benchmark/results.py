"""The table: rows as values, as text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.measuring import Cost

HEADINGS = (
    "work", "round trip", "program", "wall", "CPU", "requests", "peak", "runs", "ratio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What one program needed for one piece of work, the median of some runs."""

    work: str
    delay: float
    program: str
    cost: Cost
    runs: int

    def to_json(self) -> Mapping[str, object]:
        """Seconds, KiB, and requests by method."""
        return {
            "work": self.work,
            "delay_ms": self.delay,
            "program": self.program,
            "wall_s": round(self.cost.wall, 3),
            "cpu_s": round(self.cost.cpu, 3),
            "requests": self.cost.requests,
            "peak_kib": self.cost.peak,
            "runs": self.runs,
        }


def row_from_json(data: Mapping[str, Any]) -> Row:
    """What ``Row.to_json`` gave."""
    cost = Cost(data["wall_s"], data["cpu_s"], data["peak_kib"], data["requests"])
    return Row(data["work"], data["delay_ms"], data["program"], cost, data["runs"])


@dataclass(slots=True)
class Results:
    """All rows of a run, what they say together, and what was left out of it and why."""

    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The rows as a Markdown table, with the machine above and what is missing below."""
        lines = [f"{name}: {value}" for name, value in self.machine.items()]
        lines += ["", *aligned([HEADINGS, *(self._cells(row) for row in self.rows)])]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        if self.left_out:
            lines += ["", "Left out:", *(f"- {reason}" for reason in self.left_out)]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        rows = [row.to_json() for row in self.rows]
        data = {
            "machine": self.machine,
            "rows": rows,
            "notes": self.notes,
            "left_out": self.left_out,
        }
        path.write_text(json.dumps(data, indent=1) + "\n")

    def _cells(self, row: Row) -> Sequence[str]:
        first = next(r for r in self.rows if (r.work, r.delay) == (row.work, row.delay))
        return (
            row.work,
            f"{row.delay:g} ms",
            row.program,
            f"{row.cost.wall:.2f} s",
            f"{row.cost.cpu:.2f} s",
            "-" if row.cost.requests is None else f"{sum(row.cost.requests.values())}",
            f"{row.cost.peak / 1024:.0f} MiB",
            f"{row.runs}",
            f"{row.cost.wall / first.cost.wall:.2f}",
        )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; the first row is its head."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(wide) for cell, wide in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join('-' * (wide + 2) for wide in widths)}|"
    return [line(rows[0]), rule, *(line(row) for row in rows[1:])]


def read_results(paths: Sequence[Path]) -> Results:
    """What ``Results.write`` wrote, as one table: the machine is that of the first file."""
    runs = [json.loads(path.read_text()) for path in paths]
    rows = [row_from_json(row) for run in runs for row in run["rows"]]
    works = list(dict.fromkeys(row.work for row in rows))
    rows.sort(key=lambda row: (works.index(row.work), row.delay))
    left_out = dict.fromkeys(reason for run in runs for reason in run["left_out"])
    notes = [note for run in runs for note in run.get("notes", ())]
    return Results(runs[0]["machine"], rows, list(left_out), notes)
