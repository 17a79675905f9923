"""The pages of plans: ``/plans`` lists them, and ``/plans/ID`` shows one to be approved."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from bottle import HTTPResponse

from regbot.errors import NotFound, UsageError
from regbot.plan.planfile import Plan, plan_of
from regbot.report.actions import action_lines
from regbot.report.layout import Line
from regbot.report.model import Row
from regbot.report.planned import plan_rows
from regbot.serve.answers import Refused, page_headers
from regbot.serve.rendering import Rendering
from regbot.values import dataclass

if TYPE_CHECKING:
    from bottle import Bottle

    from regbot.journal.journal import Journal
    from regbot.journal.records import PlanRecord, PlanState, ScriptRun
    from regbot.serve.site import Site

Asking = Literal["approve", "apply", ""]
"""What may be asked for on the page of a plan."""

_MOST = 5000
"""Actions, or what stays, that a page shows; the command shows all."""
_RUNS = 500
"""Runs that are looked at for the one that applied a plan."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a script would do in one repository, or what stays there."""

    script: str
    repository: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What a page shows of the actions, or of what stays; ``left_out`` counts the rest."""

    groups: tuple[Group, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Part:
        """Rows as the lines of a table for each script and repository."""
        groups = tuple(
            Group(headings[0] if len(headings) > 1 else "", headings[-1], tuple(lines))
            for headings, lines in groupby(action_lines(rows[:_MOST]), lambda line: line.headings)
        )
        return cls(groups, max(0, len(rows) - _MOST))


@dataclass(frozen=True, slots=True)
class PlanView:
    """What a page shows of a plan.

    ``state`` is where it is now. ``problem`` says why its content can't be shown. ``can`` is
    what may be asked for, and ``run`` the run that applied it. ``lacking`` are the scripts
    whose actions it lacks, and why.
    """

    record: PlanRecord
    state: PlanState
    can: Asking = ""
    problem: str = ""
    actions: Part = Part()
    kept: Part = Part()
    lacking: tuple[str, ...] = ()
    run: ScriptRun | None = None


def add_to(app: Bottle, site: Site) -> None:
    """Add the routes."""
    rendering = Rendering(site.now)

    def page(name: str, **values: object) -> HTTPResponse:
        return HTTPResponse(rendering.page(name, **values), headers=page_headers())

    def listed() -> HTTPResponse:
        now = site.now()
        return page("plans", plans=[(plan, plan.state_at(now)) for plan in _plans(site)])

    def shown(plan: str) -> HTTPResponse:
        journal = site.service.journal
        record = next((record for record in _plans(site) if record.id == plan), None)
        if not (journal and record):
            raise Refused(HTTPStatus.NOT_FOUND, "There is no plan with this id.")
        view = _view(journal, record, site)
        return page("plan", view=view, has_token=site.settings.token is not None)

    app.get("/plans", callback=listed)
    app.get("/plans/<plan>", callback=shown)


def _plans(site: Site) -> list[PlanRecord]:
    """The plans of the server's config, newest first; others are not for it to apply."""
    journal, config = site.service.journal, site.service.config_path
    return [plan for plan in journal.plans() if plan.config == config] if journal else []


def _view(journal: Journal, record: PlanRecord, site: Site) -> PlanView:
    work_dir, now = site.service.config.defaults.work_dir, site.now()
    try:
        plan = plan_of(journal.plan_content(record), record.id, work_dir=work_dir)
    except (NotFound, UsageError) as error:
        return PlanView(record, record.state_at(now), problem=str(error))
    return plan_view(record, plan, now, _applied_by(journal, record, plan))


def plan_view(record: PlanRecord, plan: Plan, now: float, run: ScriptRun | None) -> PlanView:
    """What a page shows of a plan; ``now`` is in seconds since 1970."""
    rows = plan_rows(plan, now, with_kept=True)
    return PlanView(
        record,
        record.state_at(now),
        _can(record, now) if plan.actions else "",
        actions=Part.of([row for row in rows if row.status != "kept"]),
        kept=Part.of([row for row in rows if row.status == "kept"]),
        lacking=tuple(
            f"{script.script} {script.status}: {script.error}" for script in plan.lacking
        ),
        run=run,
    )


def _can(record: PlanRecord, now: float) -> Asking:
    """What may be asked for. One that failed may be tried again until it lapses."""
    match record.state_at(now):
        case "waiting":
            return "approve"
        case "":
            return "apply"
        case "failed":
            return "" if record.is_over(now) else "apply"
    return ""


def _applied_by(journal: Journal, record: PlanRecord, plan: Plan) -> ScriptRun | None:
    """The last run that applied a plan, which is a run of all its scripts."""
    scripts = ", ".join(dict.fromkeys(planned.script for planned in plan.actions))
    runs = journal.script_runs.of(record.config, scripts, _RUNS)
    return next((run for run in runs if run.kind == "apply" and run.plan == record.id), None)
