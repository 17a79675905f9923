"""Which lines of the scripts' files ran in any test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from regbot.testing.results import Result
from regbot.values import dataclass


@dataclass(slots=True)
class FileCoverage:
    """The lines of Lua in a file: those that can run, and those that ran in some test."""

    can: set[int] = field(default_factory=set)
    ran: set[int] = field(default_factory=set)

    @property
    def missed(self) -> list[int]:
        """The lines that did not run."""
        return sorted(self.can - self.ran)

    @property
    def percent(self) -> float:
        """How many of a hundred lines ran."""
        return 100.0 * len(self.can & self.ran) / len(self.can) if self.can else 100.0


def coverage_of(results: Sequence[Result]) -> dict[str, FileCoverage]:
    """The coverage of each file, by its name; lines are those of the file itself."""
    files: dict[str, FileCoverage] = {}
    for result in results:
        script = result.case.script
        for chunk, lines in (result.happened.lines or {}).items():
            is_script = chunk == (script.chunk_name or script.name)
            name = result.case.source if is_script else chunk
            file = files.setdefault(name, FileCoverage())
            file.can |= set(lines["can"])
            file.ran |= set(lines["ran"])
    return dict(sorted(files.items()))


def coverage_lines(files: dict[str, FileCoverage]) -> Iterator[str]:
    """The coverage in words, a line for each file and one for all."""
    for name, file in files.items():
        missed = f", not {_ranges(file.missed)}" if file.missed else ""
        ran = len(file.can) - len(file.missed)
        yield f"{file.percent:5.1f} %  {name}: {ran} of {len(file.can)} lines ran{missed}"
    can = sum(len(file.can) for file in files.values())
    ran = can - sum(len(file.missed) for file in files.values())
    yield f"{100.0 * ran / can if can else 100.0:5.1f} %  of all lines of Lua"


def _ranges(lines: Sequence[int]) -> str:
    """Numbers in words: 3-5, 8."""
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and line == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], line]
        else:
            ranges.append([line])
    return ", ".join("-".join(map(str, each)) for each in ranges)
