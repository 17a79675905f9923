"""Goes through work, delays and programs, the programs in turn."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.measuring import CommandError, Cost, middle
from benchmark.programs import Program
from benchmark.results import Results, Row
from benchmark.site import Site, Trial
from benchmark.work import Work


@dataclass(slots=True)
class Runner:
    """Measures each kind of work at each delay, and adds the rows to ``results``.

    Programs take turns: every one runs once before any runs again. There are up to
    ``runs`` turns, but none is begun after ``patience`` seconds of the same work. A program
    that fails is left out of that work from then on, and so is one that needed more than
    ``patience`` seconds for it: it would need longer at the next delay, or with more tags.
    """

    site: Site
    programs: Sequence[Program]
    results: Results
    runs: int
    patience: float
    failed: set[tuple[str, str]] = field(default_factory=set)
    slow: dict[tuple[str, str], float] = field(default_factory=dict)

    def measure(self, work: Work, delay: float) -> None:
        """Add the rows of one kind of work at one delay."""
        costs: dict[str, dict[str, list[Cost]]] = {}
        able = [program for program in self.programs if self._is_able(work, delay, program)]
        begun = time.monotonic()
        for turn in range(self.runs):
            if turn and time.monotonic() - begun > self.patience:
                break
            for program in able:
                if (work.name, program.name) not in self.failed | self.slow.keys():
                    self._take_turn(work, delay, program, costs)
        for name, of_programs in costs.items():
            for program in able:
                measured = of_programs.get(program.name)
                if measured:
                    row = Row(name, delay, program.name, middle(measured), len(measured))
                    self.results.rows.append(row)

    def _is_able(self, work: Work, delay: float, program: Program) -> bool:
        if program.kind not in work.kinds or (work.name, program.name) in self.failed:
            return False
        seconds = self.slow.get((work.name, program.name))
        if seconds is not None:
            where = f"{work.name} at {delay:g} ms with {self.site.sizes.tags} tags"
            self.results.left_out.append(
                f"{where}, {program.name}: it took {seconds:.0f} s for less"
            )
        return seconds is None

    def _take_turn(
        self,
        work: Work,
        delay: float,
        program: Program,
        costs: dict[str, dict[str, list[Cost]]],
    ) -> None:
        self.site.line.delay(delay)
        trial = Trial(self.site, program, self.site.new_folder(), delay)
        try:
            rows = work.do(trial)
        except CommandError as error:
            self.failed.add((work.name, program.name))
            self.results.left_out.append(f"{work.name}, {program.name}: {error}")
            return
        for name, cost in rows.items():
            costs.setdefault(name, {}).setdefault(program.name, []).append(cost)
            print(f"{name}, {delay:g} ms, {program.name}: {cost.wall:.2f} s", file=sys.stderr)
        slowest = max(cost.wall for cost in rows.values())
        if slowest > self.patience:
            self.slow[work.name, program.name] = slowest
