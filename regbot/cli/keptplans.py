"""Plans by name: a file, or the id of a plan that is kept in the journal."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.cli.journals import journal_with
from regbot.errors import NotFound
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.journal.place import State
    from regbot.journal.records import PlanRecord, PlanState
    from regbot.plan.planfile import Plan
    from regbot.run.bot import Bot, Ended


@dataclass(frozen=True, slots=True)
class NamedPlan:
    """A plan by its file, or by its id: its ``record``, and its ``content``.

    ``state`` is where the journal is that has it.
    """

    name: str
    record: PlanRecord | None = None
    content: bytes = b""
    state: State = Path()

    @property
    def kept_as(self) -> str:
        """Its id; empty for a file."""
        return self.record.id if self.record else ""

    def read(self, work_dir: Path) -> Plan:
        """The plan. Raises UsageError for what is none."""
        from regbot.plan.planfile import plan_of, read_plan

        if not self.record:
            return read_plan(self.name, work_dir=work_dir)
        return plan_of(self.content, self.name, work_dir=work_dir)

    def require_open(self) -> None:
        """Raise a Conflict for a plan that can't be applied any more, or is being applied."""
        if self.record:
            from regbot.journal.opening import open_journal

            with open_journal(self.state) as journal:
                journal.require_open(self.record)

    def apply(self, bot: Bot, carry_out: Callable[[], Ended]) -> Ended:
        """Carry it out. Raises Conflict for one that needs approval, and can't be applied."""
        if not self.record:
            return carry_out()
        from regbot.journal.opening import open_journal
        from regbot.run.planning import apply_kept

        with open_journal(self.state) as journal:
            return apply_kept(bot.by_lease(journal), self.record, carry_out)


def find_plan(name: str, config: Config) -> NamedPlan:
    """The plan that a user names.

    It is a file if there is one of this name, if it has a slash, and if it ends with
    ``.json``. Raises NotFound for an id that is not there or too old, InvalidValue for the
    beginning of several.
    """
    if "/" in name or name.endswith(".json") or os.path.isfile(name):  # noqa: PTH113 - any length
        return NamedPlan(name)
    with journal_with(lambda journal: journal.plan(name), config) as (journal, record):
        if record.is_too_old(time.time()):
            raise NotFound(f"the plan {record.id} is too old: it was kept for journalKeep")
        return NamedPlan(record.id, record, journal.plan_content(record), journal.state)


_CLOSED: Mapping[PlanState, str] = {
    "approved": "it is approved",
    "applying": "it is being applied",
    "applied": "it was applied",
    "lapsed": "it has lapsed",
}
"""What is said of a plan that there is nothing to do about."""


def next_steps(
    plan: Plan,
    name: str,
    config_path: str,
    *,
    state: PlanState = "",
    with_kept: bool = False,
) -> list[str]:
    """What can be done with a plan in a state; commands leave out an empty ``config_path``.

    ``with_kept``: what stays is shown already.
    """
    config = ["-c", config_path] if config_path else []
    verb = "approve" if state == "waiting" else "apply"
    steps = []
    if state in _CLOSED:
        steps.append(_CLOSED[state])
    elif plan.actions:
        steps.append(f"{verb} with: {shlex.join(['regbot', verb, name, *config])}")
    if plan.kept and not with_kept:
        steps.append(f"what stays: {shlex.join(['regbot', 'show', name, '--kept', *config])}")
    return steps
