"""The command: where the parts are put together.

Heavy parts are imported where they are needed, so that ``regbot version`` and
completion answer at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from regbot.cli.base import (
    EXIT_CODES,
    EXIT_OK,
    ask_on_signals,
    config_option,
    dry_run_option,
    guarded,
    logging_options,
    optional_config_option,
    prepare,
    read,
    report_option,
    show,
    write_reports,
)
from regbot.cli.plans import apply, history, plan, undo
from regbot.version import __version__


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well, 1 a script failed, 2 wrong use or config, 130 interrupted.",
)
def main() -> None:
    """Run Lua scripts that look after container registries.

    Begin with `regbot check -c FILE`, look at `regbot once -c FILE --dry-run`, and
    then leave it to `regbot server -c FILE`. Or keep a simulation with `regbot plan`,
    look at it, and do exactly that with `regbot apply`; `regbot undo` puts back what
    a run deleted.
    """


@main.command()
@config_option
@dry_run_option
@report_option
@logging_options
def once(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Run every enabled script once, then end.

    With --dry-run nothing is changed anywhere, and at the end a table on standard
    output says what would have been done.
    """
    guarded(lambda: _once(**options))


def _once(**options: Any) -> int:  # noqa: ANN401
    from regbot.report.terminal import print_table
    from regbot.run.bot import assemble

    config, settings, log = prepare(options)
    with assemble(config, settings, options["config_path"], log) as bot:
        ask_on_signals(bot.stop.ask)
        ended = bot.run_once()
        write_reports(bot, "once", ended.results, options["reports"])
        if settings.dry_run:
            show(partial(print_table, bot.outcomes))
    return EXIT_CODES[ended.status]


@main.command()
@config_option
@dry_run_option
@logging_options
def server(**options: Any) -> None:  # noqa: ANN401
    """Run scripts when their schedule or interval says so, until stopped.

    SIGTERM and Ctrl-C end the scripts that run and then the server.
    """
    guarded(lambda: _server(**options))


def _server(**options: Any) -> int:  # noqa: ANN401
    from regbot.run.bot import assemble

    config, settings, log = prepare(options)
    config.require_schedules()
    with assemble(config, settings, options["config_path"], log) as bot:
        ask_on_signals(bot.stop.ask)
        bot.serve()
    return EXIT_OK


@main.command()
@click.argument("file", required=False, metavar="[FILE.lua]")
@click.option("-e", "--execute", "text", metavar="TEXT", help="Run this Lua text instead.")
@optional_config_option
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value for the table args; numbers, true and false are such.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the script returns as JSON.")
@dry_run_option
@report_option
@logging_options
def run(**options: Any) -> None:  # noqa: ANN401
    r"""Run one Lua script that stands in no config.

    \b
    regbot run -e 'tag.delete("registry.example.org/app:old")' --dry-run
    regbot run report.lua --arg repo=registry.example.org/app --json
    """
    guarded(lambda: _run(**options))


def _run(**options: Any) -> int:  # noqa: ANN401
    from regbot.cli.oneoff import arguments_of, result_of, text_of
    from regbot.report.terminal import print_table
    from regbot.run.bot import assemble

    name, text = text_of(options["file"], options["text"])
    arguments = arguments_of(options["arguments"])
    config, settings, log = prepare(options)
    with assemble(config, settings, options["config_path"] or "", log) as bot:
        ask_on_signals(bot.stop.ask)
        ended = bot.run(config.one_off(name, text, arguments))
        write_reports(bot, "run", ended.results, options["reports"])
        if settings.dry_run and not options["as_json"]:
            show(partial(print_table, bot.outcomes))
    if ended.status == "done" and options["as_json"]:
        click.echo(result_of(ended.results[0].value))
    return EXIT_CODES[ended.status]


@main.command()
@config_option
def check(config_path: str) -> None:
    """Find every mistake of a config, each with its place and what to do."""
    guarded(lambda: _check(config_path))


def _check(config_path: str) -> int:
    count = len(read(config_path).scripts)
    click.echo(f"{config_path}: good, {count} script{'' if count == 1 else 's'}")
    return EXIT_OK


for command in (plan, apply, history, undo):
    main.add_command(command)


@main.command("lua-api")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "luals"]),
    default="text",
    show_default=True,
    help="luals is a meta file that gives editors completion and types.",
)
def lua_api(form: str) -> None:
    """Print what a script can call."""
    from regbot.lua import pages
    from regbot.lua.api.catalogue import BINDINGS
    from regbot.lua.values import SHAPES

    page = {
        "text": lambda: pages.terminal(BINDINGS),
        "markdown": lambda: pages.markdown(BINDINGS, SHAPES),
        "luals": lambda: pages.meta(BINDINGS, SHAPES),
    }
    click.echo(page[form](), nl=False)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"regbot {__version__}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(regbot completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "regbot", "_REGBOT_COMPLETE").source())


if __name__ == "__main__":
    main()
