"""Runs scripts as many machines would: unit by unit, each by itself, its result as bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

from regbot.config.values import Config
from regbot.plan.outcome import Outcome
from regbot.run.services import Services
from regbot.run.unit import (
    Course,
    Ended,
    Finished,
    Unit,
    UnitResult,
    finished,
    first_units,
    units_after,
)
from regbot.run.unitentries import UnitEntries
from regbot.run.unitwork import do_unit
from regbot.stopping import Stop

FreshServices = Callable[[], Services]


class Units:
    """The units of one run; whichever may begin begins next, by chance."""

    def __init__(
        self, course: Course, config: Config, services: FreshServices, *, seed: int = 0
    ) -> None:
        self.course = course
        self.ended: dict[str, Ended] = {}
        self.made: list[Unit] = []
        self._config = config
        self._services = services
        self._chance = random.Random(seed)
        self._entries = UnitEntries(Path())

    def run(self) -> dict[str, Finished]:
        """Do all units. What each script comes to, in order; apply units of a plan have none."""
        self.made += first_units(self.course)
        while waiting := [unit for unit in self.made if unit.id not in self.ended]:
            unit = self._chance.choice(waiting)
            result = self.done(unit)
            self.ended[unit.id] = (unit, result)
            begun = {each.script: 0 for each in self.made}
            for each in self.made:
                begun[each.script] += each.id not in self.ended
            following = units_after(self.course, unit, result, begun)
            assert not {each.id for each in following} & {each.id for each in self.made}
            self.made += following
        return {script.name: self.finished(script.name) for script in self.course.scripts}

    def finished(self, name: str) -> Finished:
        """What a script's units come to."""
        script = self._config.only([name]).scripts[0]
        return finished(script, self._of(name), 0.0)

    def _of(self, name: str) -> list[Ended]:
        return [
            self.ended[unit.id]
            for unit in self.made
            if unit.script == name and unit.id in self.ended
        ]

    def _before(self, name: str) -> Iterable[Outcome]:
        for script in self.course.scripts:
            if script.name == name:
                return
            yield from self.finished(script.name).outcomes

    def done(self, unit: Unit) -> UnitResult:
        """Do a unit, as a worker that begins."""
        unit = self._entries.unit(self._entries.of_unit(unit))
        is_judge = unit.kind == "judge"
        result = do_unit(
            unit,
            lambda name: self._config.only([name]).scripts[0] if name else self._config.defaults,
            self._services(),
            Stop(),
            parts=[result for _, result in self._of(unit.script)] if is_judge else (),
            before=list(self._before(unit.script)) if is_judge and unit.dry_run else (),
        )
        return self._entries.result(self._entries.of_result(result))
