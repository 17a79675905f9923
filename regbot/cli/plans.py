"""plan and apply: keep the actions of a dry run, and carry them out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.cluster import apply_in_cluster, cluster_option, run_in_cluster
from regbot.cli.group import EXIT_CODES, EXIT_FAILED
from regbot.cli.journals import config_of
from regbot.cli.keptplans import find_plan, next_steps
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import (
    STANDARD_OUTPUT,
    ListedName,
    OutputPath,
    config_is_named,
    config_option,
    only_option,
    optional_config_option,
    report_option,
    required_config,
    settings_options,
)
from regbot.cli.output import show
from regbot.cli.reading import compiler
from regbot.cli.results import rows_of, show_end, tell, write_reports
from regbot.errors import StorageError
from regbot.lua.processes import started_ahead

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.plan.planfile import Plan
    from regbot.run.bot import Bot, Ended


@click.command()
@config_option
@only_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputPath(or_stdout=True),
    help="Write the plan to this file, and don't keep it under an id; - prints it as JSON.",
)
@report_option
@cluster_option
@settings_options
def plan(
    config_path: str,
    only: tuple[str, ...],
    output: Path | None,
    settings: Settings,
    reports: tuple[Path, ...],
    *,
    in_cluster: bool,
) -> int:
    """Show what the scripts would change, and keep that as a plan.

    \b
    regbot plan                # show what would be changed, and a plan's id
    regbot show ID             # show it again
    regbot show ID --kept      # show what stays too, and why
    regbot apply ID            # carry it out
    regbot plan -o plan.json   # write it to a file instead
    regbot plan --cluster      # have the workers of a cluster make it

    Every enabled script makes a dry run: no registry and no folder is changed.

    A script that fails adds nothing to the plan. Plans are kept for as long as the
    journal (journalKeep in the config, 30 days unless it is set).
    """
    to_stdout = output == STANDARD_OUTPUT
    with started_ahead() as take_process:
        from regbot.plan.planfile import plan_text, write_plan
        from regbot.report.planned import plan_rows
        from regbot.run.bot import Options
        from regbot.run.planning import plan_of

        config = read_config(config_path, compiler()).only(only)
        work_dir = config.defaults.work_dir
        with open_bot(
            config,
            config_path,
            settings,
            Options(dry_run=True, evidence=True, whole=True, start_process=take_process),
            prints=sys.stderr if to_stdout else None,
            live=True,
        ) as bot:
            ended = run_in_cluster(bot, "plan") if in_cluster else bot.plan()
            content = plan_of(bot, ended.results)
            problem, then = "", list[str]()
            if output is None:
                problem, then = _keep(bot, content, ended)
            elif not to_stdout:
                write_plan(content, output, work_dir)
                named = config_path if config_is_named() else ""
                then = next_steps(content, str(output), named)
            write_reports(bot, "plan", ended, reports)
            if to_stdout:
                show(lambda stream: print(plan_text(content, work_dir), end="", file=stream))
            table = None if to_stdout else plan_rows(content, content.made)
            show_end(bot, ended, settings, table=table, then=then)
    if problem:
        tell(f"{problem}; write it to a file: regbot plan -o plan.json", settings, "error")
    return EXIT_FAILED if problem else EXIT_CODES[ended.status]


def _keep(bot: Bot, content: Plan, ended: Ended) -> tuple[str, list[str]]:
    """Keep a plan in the journal. Gives why it can't be kept, and what can be done with it."""
    from regbot.journal.opening import open_journal
    from regbot.run.planning import keep_plan

    try:
        with open_journal(bot.config.state) as journal:
            journal.forget_plans(bot.config_path, bot.config.journal_keep)
            record = keep_plan(bot, journal, content, ended.results)
    except StorageError as error:
        return f"the plan is not kept: {error}", []
    named = bot.config_path if bot.config.state and config_is_named() else ""
    return "", next_steps(content, record.id, named)


@click.command()
@click.argument("plan_name", metavar="PLAN", type=ListedName("List the plans with: regbot show"))
@optional_config_option
@report_option
@cluster_option
@settings_options
def apply(
    plan_name: str,
    config_path: str | None,
    settings: Settings,
    reports: tuple[Path, ...],
    *,
    in_cluster: bool,
) -> int:
    """Carry out exactly the actions of a PLAN.

    \b
    regbot apply 20261128-223131   # the id that `regbot plan` told
    regbot apply plan.json         # the file that `regbot plan -o` wrote
    regbot apply plan.json --cluster   # have the workers of a cluster do it

    Unless -c names another, a plan with an id uses the
    config it was made with.

    Before each delete, regbot looks at the tag again: a tag that has moved is skipped
    with a warning, and one that is gone counts as done. To retry actions that failed,
    apply the same plan again.

    A plan that a server made of a script with approve: true is applied once, by the server
    or by this command, which need not wait for approval. If actions failed, it can be
    applied again until it lapses.
    """
    from regbot.run.bot import Options

    config = read_config(config_path)
    named = find_plan(plan_name, config)
    if named.record and not config_is_named():
        config_path = config_of(named.record.config, config_path, "plan")
        config = read_config(config_path)
    required_config(config_path)
    named.require_open()
    options = Options(evidence=bool(reports))
    with open_bot(
        config, config_path, settings, options, live=True, table=True, notify=True
    ) as bot:
        content = named.read(config.defaults.work_dir)
        for warning in content.warnings(config.fingerprint):
            tell(f"warning: {warning}", settings, "warn")

        def carry_out() -> Ended:
            if in_cluster:
                return apply_in_cluster(bot, content.actions, named.kept_as)
            return bot.apply(content.actions)

        ended = named.apply(bot, carry_out)
        write_reports(bot, "apply", ended, reports)
        is_cut_off = bot.stop.asked or ended.status == "stopped"
        then = ["stopped: apply the plan again to go on"] if is_cut_off else []
        show_end(bot, ended, settings, table=rows_of(bot), then=then)
    return EXIT_CODES[ended.status]
