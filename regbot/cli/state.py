"""state: moves what regbot remembers to another place."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.group import Family
from regbot.cli.opening import read_config
from regbot.cli.output import is_terminal, note, show_text
from regbot.errors import InvalidValue, UsageError

if TYPE_CHECKING:
    from regbot.journal.copying import Copied, Tell
    from regbot.journal.place import State

_REDRAWN_AFTER = 0.2
"""Seconds."""


@click.group(cls=Family)
def state() -> None:
    """Copy the journal and all else that is remembered.

    \b
    regbot state copy state regbot.yml     # from a folder to what a config names
    """


@state.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy all of a state FROM one place TO an empty one.

    \b
    regbot state copy state regbot.yml     # from a folder to what a config names
    regbot state copy regbot.yml backup    # and back, to a new folder
    regbot state copy state postgresql://regbot@db.example.org/regbot

    FROM and TO are each a folder, the URL of a database in PostgreSQL, or a config (.yml or
    .yaml), whose `state` is meant. A URL here has no password, since others can see it: it
    comes from the config, from $PGPASSWORD, or from ~/.pgpass, as for psql.

    The history, saved manifests, plans with their approvals, what was seen in use, and when
    scripts ran last are copied in one transaction. FROM stays as it is. Nobody may work with
    either of them: stop the servers, and end the runs. Afterwards write TO into the config
    as `state`.
    """
    from regbot.journal.copying import copy_state

    origin, place = _state_at(source), _state_at(target)
    with _progress() as tell:
        copied = copy_state(origin, place, tell)
    for error in copied.unreadable:
        note(f"warning: not copied, so that its delete can't be undone: {error}")
    show_text(f"copied {_summary(copied)} to {place}")


def _state_at(text: str) -> State:
    """The state that an argument means. Raises UsageError."""
    from regbot.journal.opening import default_state
    from regbot.journal.place import DatabaseUrl, state_of

    path = Path(text)
    if path.suffix in (".yml", ".yaml") and not path.is_dir():
        return read_config(text).state or default_state()
    try:
        place = state_of(text)
    except InvalidValue as error:
        raise UsageError(f"the URL of a database {error}") from None
    if isinstance(place, DatabaseUrl) and place.has_password:
        raise UsageError(
            f"{place}: leave out the password, since others can see it here"
            " (set $PGPASSWORD, or name a config that has the URL)"
        )
    if place == Path():
        raise UsageError("the name of a folder is empty")
    return place


def _summary(copied: Copied) -> str:
    counts = {
        "run": copied.rows["run"],
        "action": copied.rows["action"],
        "saved manifest": copied.manifests,
        "plan": copied.rows["plan"],
        "run of a script": copied.rows["script_run"],
        "image seen in use": copied.sightings,
    }
    plurals = {"run of a script": "runs of scripts", "image seen in use": "images seen in use"}
    texts = [
        f"{count} {noun if count == 1 else plurals.get(noun, f'{noun}s')}"
        for noun, count in counts.items()
    ]
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


@contextmanager
def _progress() -> Iterator[Tell]:
    """What a person at a terminal sees: a line that is drawn anew."""
    drawn = 0.0

    def tell(noun: str, done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if is_terminal(sys.stderr) and (done == total or now - drawn > _REDRAWN_AFTER):
            drawn = now
            click.echo(f"\r\x1b[K{noun}: {done} of {total}", err=True, nl=False)

    try:
        yield tell
    finally:
        if drawn:
            click.echo("\r\x1b[K", err=True, nl=False)
