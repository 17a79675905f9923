"""What happens in a server beside its runs: events for metrics, pages and notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regbot.events import Event
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.journal.records import PlanRecord, ScriptRun
    from regbot.report.model import Report


@dataclass(frozen=True, slots=True)
class ScriptRunStarted(Event):
    """A server began a run of a script."""

    run: ScriptRun


@dataclass(frozen=True, slots=True)
class ScriptRunEnded(Event):
    """A server's run of a script ended, and the journal has it, where there is one.

    ``report`` is that of a run that did something, where reports are wanted.
    """

    run: ScriptRun
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class ScriptRunLeft(Event):
    """A server follows a run of a script no more: another one has it, and tells how it ends."""

    run: ScriptRun


@dataclass(frozen=True, slots=True)
class PlanWaits(Event):
    """A plan was made that waits for approval."""

    plan: PlanRecord


@dataclass(frozen=True, slots=True)
class PlanLapsed(Event):
    """A plan that waited lapsed: nobody approved it in time, or a newer one took its place."""

    plan: PlanRecord


@dataclass(frozen=True, slots=True)
class ConfigReloaded(Event):
    """A server works with a new config."""

    config: Config


@dataclass(frozen=True, slots=True)
class ConfigRefused(Event):
    """A server goes on with the config it has, because of the mistakes in the new one."""

    problems: tuple[str, ...]
