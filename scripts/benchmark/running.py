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
    ``runs`` turns, but none is begun after ``budget`` seconds of the same work. A program
    that fails is left out of that work from then on.
    """

    site: Site
    programs: Sequence[Program]
    results: Results
    runs: int
    budget: float
    failed: set[tuple[str, str]] = field(default_factory=set)

    def measure(self, work: Work, delay: float) -> None:
        """Add the rows of one kind of work at one delay."""
        costs: dict[tuple[str, str], list[Cost]] = {}
        begun = time.monotonic()
        for turn in range(self.runs):
            if turn and time.monotonic() - begun > self.budget:
                break
            for program in self.programs:
                able = program.kind in work.kinds
                if able and (work.name, program.name) not in self.failed:
                    self._take_turn(work, delay, program, costs)
        order = {program.name: place for place, program in enumerate(self.programs)}
        for (row, name), measured in sorted(costs.items(), key=lambda item: order[item[0][1]]):
            self.results.rows.append(Row(row, delay, name, middle(measured), len(measured)))

    def _take_turn(
        self,
        work: Work,
        delay: float,
        program: Program,
        costs: dict[tuple[str, str], list[Cost]],
    ) -> None:
        self.site.line.delay(delay)
        trial = Trial(self.site, program, self.site.new_folder(), delay)
        try:
            rows = work.do(trial)
        except CommandError as error:
            self.failed.add((work.name, program.name))
            self.results.left_out.append(f"{work.name}, {program.name}: {error}")
            return
        for row, cost in rows.items():
            costs.setdefault((row, program.name), []).append(cost)
            print(f"{row}, {delay:g} ms, {program.name}: {cost.wall:.2f} s", file=sys.stderr)
