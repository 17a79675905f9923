"""approve: lets a server carry out a plan that waits for it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from regbot.cli.journals import journal_at, journal_with
from regbot.cli.opening import read_config
from regbot.cli.options import config_is_named, optional_config_option
from regbot.cli.output import show, show_text

if TYPE_CHECKING:
    from regbot.journal.records import PlanRecord


@click.command()
@click.argument("plan", required=False)
@optional_config_option
def approve(plan: str | None, config_path: str | None) -> None:
    """Approve a PLAN, or list the plans that wait for approval.

    \b
    regbot approve                        # the plans that wait
    regbot show 20261128-223131           # look at one of them
    regbot approve 20261128-223131        # let the server apply it

    A script with `approve: true` in the config makes a plan when it is due, and changes
    nothing until the plan is approved. The server applies an approved plan at once. Where
    none is running, the next one does it, or `regbot apply`.

    Run it with the config of the server. The plans are in the `state` of the config: where
    that is a folder, run it on the machine of the server and as its user.
    """
    from regbot.journal.opening import default_state
    from regbot.journal.serverlock import has_server

    config = read_config(config_path)
    if plan is None:
        with journal_at(config.state) as journal:
            now = time.time()
            waiting = [each for each in journal.plans() if each.state_at(now) == "waiting"]
        if waiting:
            _show_list(waiting)
        else:
            show_text(f"no plan waits for approval in {config.state or default_state()}")
        return
    with journal_with(lambda journal: journal.approve_plan(plan), config) as (journal, record):
        is_served = has_server(journal, record.config)
    approved = f"approved the plan {record.id}: {record.summary}"
    if is_served:
        show_text(f"{approved}; the server applies it now")
        return
    named = ["-c", config_path] if config_path and config_is_named() and config.state else []
    by_hand = shlex.join(["regbot", "apply", record.id, *named])
    show_text(
        f"{approved}; no server of its config is running, so the next one applies it, or: {by_hand}"
    )


def _show_list(plans: Sequence[PlanRecord]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines
    from regbot.units import format_moment

    columns = (Column("plan"), Column("script", is_name=True), Column("lapses", left_out=1))
    lines = [
        Line(
            (plan.id, plan.script, format_moment(round(plan.lapses)) if plan.lapses else ""),
            plan.summary,
        )
        for plan in plans
    ]
    show(lambda stream: print_lines(columns, lines, stream, title="what it would do"))
