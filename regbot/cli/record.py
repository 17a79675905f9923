"""record: makes a test file from a real repository."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import OutputPath, optional_config_option, settings_options
from regbot.cli.output import show_text
from regbot.errors import InvalidValue, UsageError

if TYPE_CHECKING:
    from regbot.cli.options import Settings


@click.command()
@click.argument("repository")
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=OutputPath(), help="Where to write it."
)
@click.option("--anonymous", is_flag=True, help="Replace names and digests by made-up ones.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME", help="Record this label too. Repeatable."
)
@optional_config_option
@settings_options
def record(
    repository: str,
    output: Path,
    labels: tuple[str, ...],
    config_path: str | None,
    settings: Settings,
    *,
    anonymous: bool,
) -> None:
    """Record a repository as a file for `regbot test`.

    \b
    regbot record registry.example.org/team/app -o app_test.yml

    The file has tags, digests, dates, platforms, sizes and the types of referrers. It has no
    content, and no labels but the date and those that --label names.

    --anonymous replaces the name of the repository, the digests and the words in tags. It
    leaves numbers, common words such as latest, platforms, types of referrers and labels:
    look whether any of them tells too much.

    A file that exists already is not overwritten.
    """
    from regbot.files import write_out
    from regbot.oci.reference import Reference
    from regbot.testing.anonymous import Anonymous
    from regbot.testing.record import as_test_file, record_repository

    if output.is_file():
        raise UsageError(f"-o {output}: this file exists already (delete it, or name another)")
    try:
        reference = Reference.parse(repository).without_name
    except InvalidValue as error:
        raise UsageError(str(error)) from None
    config = read_config(config_path)
    with open_bot(config, config_path, settings) as bot:
        store = bot.stores().open(reference)
        tags, images = record_repository(store, labels, stop=bot.stop)
    hidden = Anonymous(secrets.token_bytes(16)) if anonymous else None
    text = as_test_file(str(reference), tags, images, time.time(), hidden)
    write_out(output, text.encode())
    show_text(f"{output}: {len(tags)} tags of {len(images)} images")
