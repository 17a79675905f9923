"""show: plans that were made before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from regbot.cli import output
from regbot.cli.journals import journal_at
from regbot.cli.keptplans import NamedPlan, find_plan, next_steps
from regbot.cli.opening import read_config
from regbot.cli.options import config_is_named, optional_config_option

if TYPE_CHECKING:
    from regbot.journal.records import PlanRecord
    from regbot.plan.planfile import Plan


@click.command()
@click.argument("plan_name", metavar="[PLAN]", required=False)
@click.option("--kept", "with_kept", is_flag=True, help="Show what stays too, and why.")
@optional_config_option
def show(plan_name: str | None, config_path: str | None, *, with_kept: bool) -> None:
    """Show a PLAN again, or list the plans that are kept.

    \b
    regbot show                           # the plans that are kept
    regbot show 20261128-223131           # one of them
    regbot show 20261128-223131 --kept    # with what stays, and why
    regbot show plan.json                 # the file that `regbot plan -o` wrote
    """
    config = read_config(config_path)
    if plan_name is None:
        with journal_at(config.state) as journal:
            _show_list([plan for plan in journal.plans() if not plan.is_too_old(time.time())])
        return
    named = find_plan(plan_name, config)
    plan = named.read(config.defaults.work_dir)
    config_path = config_path if config_is_named() and (not named.record or config.state) else None
    _show_plan(plan, named, config_path or "", with_kept=with_kept)


def _show_list(plans: Sequence[PlanRecord]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines
    from regbot.units import format_moment

    has_state = any(plan.state for plan in plans)
    columns = (
        Column("plan"),
        Column("made", left_out=1),
        *([Column("state")] if has_state else []),
        Column("config", left_out=2),
    )
    lines = [
        Line(
            (
                plan.id,
                format_moment(round(plan.made)),
                *([_state(plan)] if has_state else []),
                plan.config,
            ),
            plan.summary,
        )
        for plan in plans
    ]
    if lines:
        output.show(lambda stream: print_lines(columns, lines, stream, title="what it would do"))
    else:
        output.show_text("no plan is kept: regbot plan makes one")


def _state(plan: PlanRecord) -> str:
    """Where a plan is that needs approval; one that waits is told with its time."""
    from regbot.units import format_moment

    state = plan.state_at(time.time())
    if state == "waiting" and plan.lapses is not None:
        return f"waiting until {format_moment(round(plan.lapses))}"
    return state


def _show_plan(plan: Plan, named: NamedPlan, config_path: str, *, with_kept: bool) -> None:
    """Show the table of a plan, the scripts that it lacks, and what can be done with it."""
    from regbot.report.planned import plan_outcomes, plan_rows
    from regbot.report.summary import summary
    from regbot.report.terminal import print_line, print_table

    rows = plan_rows(plan, time.time(), with_kept=with_kept)
    state = named.record.state_at(time.time()) if named.record else ""
    then = next_steps(plan, named.name, config_path, state=state, with_kept=with_kept)
    text = summary(plan_outcomes(plan), plan.scripts, seconds=0.0, dry_run=True, then=then)
    for script in plan.lacking:
        error = f"script {script.script} {script.status}: {script.error}"
        output.show(lambda stream, error=error: print_line(error, stream, style="bold"))  # type: ignore[misc]
    output.show(lambda stream: print_table(rows, text, stream))
