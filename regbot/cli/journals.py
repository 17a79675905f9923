"""The journal that a command looks into, and the config that goes with what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from regbot.cli.options import config_is_named
from regbot.cli.output import note
from regbot.errors import NotFound

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.journal.journal import Journal
    from regbot.journal.place import State

T = TypeVar("T")


@contextmanager
def journal_at(state: State | None) -> Iterator[Journal]:
    """A journal; an empty one for the moment where there is none, since looking makes none."""
    from tempfile import TemporaryDirectory

    from regbot.journal.opening import has_state, open_journal

    with ExitStack() as ending:
        if not has_state(state):
            state = Path(ending.enter_context(TemporaryDirectory()))
        yield ending.enter_context(open_journal(state))


@contextmanager
def journal_with(find: Callable[[Journal], T], config: Config) -> Iterator[tuple[Journal, T]]:
    """The journal in which something is found, and what that is.

    A config that the user did not name says where to look first. Raises NotFound.
    """
    states = dict.fromkeys([config.state] if config_is_named() else [config.state, None])
    with ExitStack() as ending:
        missing = NotFound("")
        for state in states:
            journal = ending.enter_context(journal_at(state))
            try:
                record = find(journal)
            except NotFound as error:
                missing = error
                continue
            yield journal, record
            return
    if config_is_named():
        raise missing
    hint = "a config that sets state has a history of its own: name it with -c"
    raise NotFound(f"{missing} ({hint})")


def config_of(recorded: str, usual: str | None, noun: str) -> str | None:
    """The config of a run or plan if its path is known, else the ``usual`` one.

    Tells which it is; ``noun`` is what it belongs to.
    """
    if not recorded:
        return usual
    if not Path(recorded).is_absolute():
        note(f"the {noun}'s config, {recorded}, can't be found again (name it with -c)")
        return usual
    if not usual or Path(usual).absolute() != Path(recorded):
        note(f"using the {noun}'s config, {recorded} (-c names another)")
    return recorded
