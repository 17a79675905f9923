"""plan and apply: write the actions of a dry run to a file, and carry them out."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_CODES
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import (
    OutputPath,
    config_option,
    only_option,
    report_option,
    settings_options,
)
from regbot.cli.output import show
from regbot.cli.reading import compiler
from regbot.cli.results import show_end, tell, write_reports
from regbot.lua.processes import started_ahead

if TYPE_CHECKING:
    from regbot.cli.options import Settings


@click.command()
@config_option
@only_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputPath(),
    help="File to write the plan to. Default: standard output.",
)
@report_option
@settings_options
def plan(
    config_path: str,
    only: tuple[str, ...],
    output: Path | None,
    settings: Settings,
    reports: tuple[Path, ...],
) -> int:
    """Make a dry run of every script and write its actions as a plan.

    Nothing is changed; `regbot apply` carries the plan out. With -o, the plan is written
    to a file and a table to standard output.
    """
    with started_ahead() as take_process:
        from regbot.plan.carrying import planned_from
        from regbot.plan.planfile import Plan, plan_text, write_plan
        from regbot.run.bot import Options

        config = read_config(config_path, compiler()).only(only)
        work_dir = config.defaults.work_dir
        with open_bot(
            config,
            config_path,
            settings,
            Options(dry_run=True, evidence=True, whole=True, start_process=take_process),
            prints=None if output else sys.stderr,
            live=True,
        ) as bot:
            ended = bot.plan()
            actions = tuple(planned_from(bot.outcomes))
            content = Plan(time.time(), config.fingerprint, actions)
            if output:
                write_plan(content, output, work_dir)
            write_reports(bot, "plan", ended, reports)
            if not output:
                text = plan_text(content, work_dir)
                show(lambda stream: print(text, end="", file=stream))
            then = [f"apply with: {_apply(output, config_path)}"] if output and actions else []
            show_end(bot, ended, settings, table=output is not None, then=then)
    return EXIT_CODES[ended.status]


@click.command()
@click.argument("plan_file", metavar="PLAN.json")
@config_option
@report_option
@settings_options
def apply(plan_file: str, config_path: str, settings: Settings, reports: tuple[Path, ...]) -> int:
    """Carry out exactly the actions of a plan.

    Before each delete, regbot looks at the tag again: a tag that has moved is skipped
    with a warning, and one that is gone counts as done. To retry actions that failed,
    apply the same plan again.
    """
    from regbot.plan.planfile import read_plan
    from regbot.run.bot import Options

    config = read_config(config_path)
    options = Options(evidence=bool(reports))
    with open_bot(config, config_path, settings, options, live=True) as bot:
        content = read_plan(plan_file, work_dir=config.defaults.work_dir)
        if content.fingerprint != config.fingerprint:
            tell(
                "warning: the config or its scripts changed since the plan was made",
                settings,
                "warn",
            )
        ended = bot.apply(content.actions)
        write_reports(bot, "apply", ended, reports)
        then = ["stopped: apply the plan again to go on"] if bot.stop.asked else []
        show_end(bot, ended, settings, table=True, then=then)
    return EXIT_CODES[ended.status]


def _apply(plan_file: Path, config_path: str) -> str:
    """The command that carries out a plan."""
    return shlex.join(["regbot", "apply", str(plan_file), "-c", config_path])
