"""sync: copies images once, as an entry of the config would."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_CODES
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import (
    dry_run_option,
    missing_option,
    optional_config_option,
    report_option,
    settings_options,
)
from regbot.cli.results import rows_of, show_end, write_reports
from regbot.errors import InvalidValue, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from regbot.cli.options import Settings
    from regbot.config.values import Config, Script
    from regbot.image.options import CopyOptions
    from regbot.oci.patterns import Pattern
    from regbot.sync.rules import TagRules


@click.command()
@click.argument("source")
@click.argument("target")
@optional_config_option
@click.option(
    "--tag", "tags", multiple=True, metavar="EXPRESSION", help="Copy tags that this fits."
)
@click.option("--except", "but", multiple=True, metavar="EXPRESSION", help="Leave these tags out.")
@click.option("--range", "ranges", multiple=True, metavar="RANGE", help="Copy versions in a range.")
@click.option(
    "--platform", "platforms", multiple=True, metavar="PLATFORM", help="Copy only this platform."
)
@click.option("--digest-tags", is_flag=True, help="Copy tags named after the digest too.")
@click.option("--referrers", is_flag=True, help="Copy referrers too.")
@click.option("--cleanup", is_flag=True, help="Delete tags of the target that are not to be there.")
@missing_option
@dry_run_option
@report_option
@partial(settings_options, level="warn")
def sync(
    source: str,
    target: str,
    config_path: str | None,
    settings: Settings,
    tags: tuple[str, ...],
    but: tuple[str, ...],
    ranges: tuple[str, ...],
    platforms: tuple[str, ...],
    reports: tuple[Path, ...],
    *,
    digest_tags: bool,
    referrers: bool,
    cleanup: bool,
    missing: bool,
    dry_run: bool,
) -> int:
    """Bring copies of images up to date, once.

    \b
    regbot sync alpine:3.20 registry.example.org/alpine:3.20
    regbot sync alpine registry.example.org/alpine --tag '3\\.\\d+' --tag latest
    regbot sync alpine registry.example.org/alpine --range '>=3.18 <4' --dry-run
    regbot sync registry.example.com registry.example.org/copies

    SOURCE is an image with a tag or digest, a repository, of which all tags are copied
    unless options choose some, or the host of a registry. What the target has already is
    not sent. Expressions are regular expressions that have to fit the whole tag.

    What is to be kept up belongs under sync in the config: it has more options, schedules,
    and guards of its own for --cleanup.
    """
    from regbot.image.options import CopyOptions
    from regbot.oci.platform import Platform
    from regbot.oci.versions import require_range
    from regbot.run.bot import Options
    from regbot.sync.rules import TagRules

    config = read_config(config_path)
    try:
        rules = TagRules(_expressions(tags), _expressions(but), tuple(map(require_range, ranges)))
        options = CopyOptions(
            tuple(map(Platform.parse, platforms)), digest_tags=digest_tags, referrers=referrers
        )
        script = _script(
            config, source, target, rules, options, cleanup=cleanup, only_missing=missing
        )
    except InvalidValue as error:
        raise UsageError(str(error)) from None
    flags = [*["--cleanup"] * cleanup, *["--missing"] * missing]
    typed = shlex.join(["sync", source, target, *flags])
    with open_bot(
        config,
        config_path,
        settings,
        Options(dry_run=dry_run, evidence=bool(reports), typed=typed),
        live=True,
    ) as bot:
        ended = bot.run(script)
        write_reports(bot, "run", ended, reports)
        show_end(bot, ended, settings, table=rows_of(bot) if dry_run else None)
    return EXIT_CODES[ended.status]


def _script(
    config: Config,
    source: str,
    target: str,
    rules: TagRules,
    options: CopyOptions,
    *,
    cleanup: bool,
    only_missing: bool,
) -> Script:
    """The script that syncs a source, whose name tells what it is. Raises InvalidValue."""
    from regbot.config.syncplaces import kind_of_source, repositories_of, source_of, target_of
    from regbot.sync.rules import Sync, TagRules

    kind = kind_of_source(source)
    if kind == "image" and (cleanup or rules != TagRules()):
        raise InvalidValue(f"{source} is one image (leave --tag, --except, --range, --cleanup out)")
    target_of(kind, target)
    work = Sync(
        source_of(kind, source),
        target,
        (rules,),
        options=options,
        cleanup=cleanup,
        only_missing=only_missing,
    )
    script = config.command(f"{source} to {target}", work)
    return replace(script, repositories=repositories_of(kind, source))


def _expressions(texts: Iterable[str]) -> tuple[Pattern, ...]:
    from regbot.oci.patterns import Pattern

    return tuple(Pattern.parse(f"regex:{text}") for text in texts)
