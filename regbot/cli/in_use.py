"""in-use: lists what the sources of images in use say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import config_option, settings_options
from regbot.cli.output import note, show, show_text
from regbot.errors import Stopped

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.rules.in_use.answers import Answer
    from regbot.rules.in_use.mention import Mention


@click.command("in-use")
@config_option
@settings_options
def in_use(config_path: str, settings: Settings) -> int:
    """List the images in use, which no script deletes.

    \b
    regbot in-use                 # what the sources under inUse name

    With seenWithin, what earlier runs saw is listed too, and what is seen now is kept for
    later ones. The exit code is 1 if a source can't be read.
    """
    config = read_config(config_path)
    if not config.in_use.sources:
        show_text(f"{config_path}: no source of images in use (add inUse to defaults)")
        return EXIT_OK
    with open_bot(config, config_path, settings) as bot:
        try:
            answers, before = bot.images_in_use()
        except Stopped:
            return EXIT_INTERRUPTED
        _show(answers, before)
    failures = [answer for answer in answers if answer.error]
    for answer in failures:
        note(f"{answer.source.name} can't be read: {answer.error}")
    return EXIT_FAILED if failures else EXIT_OK


def _show(answers: list[Answer], before: list[Mention]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines

    named = [
        (answer.source.name, mention) for answer in answers for mention in answer.seen.mentions
    ]
    named += [("seen before", mention) for mention in before]
    lines = [Line((mention.text,), mention.user, (source,)) for source, mention in named]
    columns = (Column("image", is_name=True),)
    show(lambda stream: print_lines(columns, lines, stream, title="used by"))
    for answer in answers:
        images = {mention.text for mention in answer.seen.mentions}
        count = f"{len(images)} image{'' if len(images) == 1 else 's'}"
        show_text(f"{answer.source.name}: {'not read' if answer.error else count}")
