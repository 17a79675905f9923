"""Runs the calls of a command, as any script runs: with guards, journal and a way back."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from regbot.cli.ending import leave_in_time
from regbot.cli.group import EXIT_CODES, EXIT_OK
from regbot.cli.made.inputs import (
    STANDARD,
    Reading,
    content_from,
    lines_of,
    require_digests,
    typed_of,
)
from regbot.cli.made.results import Results
from regbot.cli.made.signature import AN_OPTION, Signature
from regbot.cli.opening import open_bot, read_config
from regbot.cli.output import is_terminal, note, show
from regbot.cli.results import rows_of, show_end
from regbot.config.values import Calls
from regbot.errors import UsageError
from regbot.run.bot import Bot, Ended, Options

if TYPE_CHECKING:
    from regbot.cli.options import Settings

_AT_ONCE = 8
"""How many calls are made at once; limits of the hosts hold for all of them."""


def run_made(
    signature: Signature,
    command: str,
    words: Sequence[str],
    settings: Settings,
    given: Mapping[str, Any],
) -> int:
    """Run a command with what was typed, and give its exit code."""
    lines = lines_of(signature, command, words)
    if not lines:
        return EXIT_OK
    made, dry_run = signature.made, bool(given.get("dry_run"))
    if made.by_digest and not given["force_tag_dereference"]:
        require_digests(command, lines)
    results = Results(
        signature,
        template=given.get("template", ""),
        as_json=given.get("as_json", False),
        named=len(lines) > 1,
        full=given.get("full", False),
        folder=given.get("folder"),
    )
    options = {
        key.removeprefix(AN_OPTION): value
        for key, value in given.items()
        if key.startswith(AN_OPTION)
    }
    reading = Reading(signature, command, options)
    with ExitStack() as ending:
        content = None
        if made.content and not options.get(made.content_unless):
            media_type, file = given.get("content_type", ""), given.get("file", "")
            opened = content_from(file, made.content, lines[0], media_type)
            content = ending.enter_context(opened)
        sent = _sent_file(signature, lines[0], ending)
        if sent:
            lines = [[lines[0][0], str(sent)]]
        calls = Calls(tuple(reading.call(line, content) for line in lines), _AT_ONCE)
        config = read_config(given["config_path"])
        with open_bot(
            config,
            given["config_path"],
            settings,
            Options(
                dry_run=dry_run,
                answered=results.answered,
                typed=typed_of(signature, command, words, options),
            ),
            live=not (results.is_exact or sent),
            table=dry_run,
            command=True,
        ) as bot:
            results.emit = bot.emit
            if results.is_exact or sent:  # whoever reads the output may never go on
                leave_in_time(bot.stop, bot.emit, hint="")
            ended = bot.run(config.command(command, calls))
            if sent and ended.status == "done" and not dry_run:
                _send(sent)
            results.finish(ended.status)
            _show_end(bot, ended, settings, dry_run=dry_run)
    return EXIT_CODES[ended.status]


def _show_end(bot: Bot, ended: Ended, settings: Settings, *, dry_run: bool) -> None:
    """Tell why it failed, and what was changed, as far as something was."""
    for result in ended.results:
        if result.error and settings.log_format != "json":
            note(result.error)
    is_planned = dry_run and ended.status == "done"
    if is_planned or any(outcome.status != "failed" for outcome in bot.outcomes):
        table = rows_of(bot) if dry_run else None
        show_end(bot, replace(ended, results=()), settings, table=table)


def _sent_file(signature: Signature, line: Sequence[str], ending: ExitStack) -> Path | None:
    """A file to write what goes to standard output to, if it does. Raises UsageError."""
    named = line[len(signature.words) - 1 :]
    if not signature.writes_file or named not in ([], [STANDARD], ["/dev/stdout"]):
        return None
    if is_terminal(sys.stdout):
        raise UsageError("an archive is nothing for a terminal (name FILE, or add > FILE)")
    return Path(ending.enter_context(TemporaryDirectory())) / "image.tar"


def _send(file: Path) -> None:
    with file.open("rb") as source:
        show(lambda stream: shutil.copyfileobj(source, stream.buffer))
