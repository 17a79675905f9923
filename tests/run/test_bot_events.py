"""A run as its listeners hear it: one beginning, one end, and every action between."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.applying import Bot, bot_in

from regbot.config.load import read_config
from regbot.events import Event, RunEnded, RunStarted, ScriptEnded, ScriptStarted, plain
from regbot.plan.outcome import ActionDone
from regbot.run.bot import Ended, Options, assemble

HEARD = (RunStarted, RunEnded, ScriptStarted, ScriptEnded, ActionDone)


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=2, new=1)
        bot.configure()
        yield bot


def run_once(
    bot: Bot, *, dry_run: bool = False, stop_at: type[Event] | None = None
) -> tuple[Ended, Sequence[Event]]:
    """Run its scripts in this process, until such an event; what was heard of the run."""
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if stop_at and isinstance(event, stop_at):
            program.stop.ask()

    path = str(bot.folder / "bot.yml")
    config = read_config(path, environ={}, stdin=io.BytesIO())
    with assemble(config, Options(dry_run=dry_run), path, plain(hear)) as program:
        ended = program.run_once()
    return ended, [event for event in heard if isinstance(event, HEARD)]


def test_a_run_is_heard_from_its_beginning_to_its_end(bot):
    ended, heard = run_once(bot)
    assert [type(event).__name__ for event in heard] == [
        "RunStarted",
        "ScriptStarted",
        "ActionDone",
        "ActionDone",
        "ScriptEnded",
        "RunEnded",
    ]
    assert heard[-1] == ended.run
    assert ended.run.id in bot.journalled()
    assert (ended.run.kind, ended.run.status, ended.run.dry_run) == ("once", "done", False)
    done = [event.outcome for event in heard if isinstance(event, ActionDone)]
    assert {outcome.status for outcome in done} == {"done"}
    assert {Path(str(outcome.action.reference)).name for outcome in done} == {
        "app:old0",
        "app:old1",
    }


def test_a_dry_run_is_heard_as_such_and_has_no_id(bot):
    ended, heard = run_once(bot, dry_run=True)
    assert ended.run.id == ""
    assert {event.dry_run for event in heard} == {True}
    done = [event.outcome for event in heard if isinstance(event, ActionDone)]
    assert {outcome.status for outcome in done} == {"planned"}


def test_a_script_that_fails_fails_the_run(bot):
    bot.configure('error("no luck")')
    ended, heard = run_once(bot)
    assert ended.status == "failed"
    (script,) = [event.result for event in heard if isinstance(event, ScriptEnded)]
    assert script.status == "failed"
    assert "no luck" in script.error


def test_a_run_whose_scripts_were_done_when_it_was_told_to_stop_is_done(bot):
    ended, _ = run_once(bot, stop_at=ScriptEnded)
    assert ended.status == "done"
    stopped, _ = run_once(bot, stop_at=ScriptStarted)
    assert stopped.status == "stopped"
