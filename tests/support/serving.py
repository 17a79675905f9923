"""A server in this process: a Service in a thread, and what it tells."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from regbot.config.load import load_config
from regbot.config.values import Config
from regbot.events import Event, bare
from regbot.journal.records import ScriptRun
from regbot.run.bot import Options
from regbot.run.reloading import ConfigSource
from regbot.run.service import ScriptState, Service, open_service
from regbot.run.service_events import ScriptRunEnded

CONFIG_PATH = "/etc/regbot.yml"
E = TypeVar("E", bound=Event)


class Heard:
    """What a server told so far. Each wait is for something that has to be told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._told = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._told:
            self.events.append(event)
            self._told.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, of whichever run."""
        return [event for event in map(bare, tuple(self.events)) if isinstance(event, kind)]

    def until(self, is_there: Callable[[], Any]) -> None:
        """Wait until what was told makes something true."""
        with self._told:
            assert self._told.wait_for(is_there, 60), self.events

    def ended(self, count: int = 1, **fields: Any) -> list[ScriptRun]:
        """Wait until so many runs ended that have these values; those runs."""

        def fitting() -> list[ScriptRun]:
            return [
                event.run
                for event in self.of(ScriptRunEnded)
                if all(getattr(event.run, name) == value for name, value in fields.items())
            ]

        self.until(lambda: len(fitting()) >= count)
        return fitting()


def config_in(folder: Path, text: str, **defaults: Any) -> Config:
    """A config with its state, its cache and its files in a folder."""
    own = {"state": str(folder / "state"), "cache": "off", "workDir": str(folder)}
    head = json.dumps({**own, "timezone": "UTC", **defaults})
    text = f"defaults: {head}\n{dedent(text)}"
    return load_config(text, filename="bot.yml", environ={}, base=folder)


@contextmanager
def served(
    config: Config,
    *,
    dry_run: bool = False,
    with_reports: bool = False,
    queue_only: bool = False,
    read: Callable[[], Config] | None = None,
) -> Iterator[tuple[Service, Heard]]:
    """A server that runs until the end of the block. ``read`` gives its config at a reload."""
    heard = Heard()
    options = Options(dry_run=dry_run, environment={})
    source = ConfigSource(CONFIG_PATH, read or (lambda: config))
    with open_service(
        config, options, source, heard, with_reports=with_reports, queue_only=queue_only
    ) as service:
        thread = threading.Thread(target=service.serve)
        thread.start()
        try:
            yield service, heard
        finally:
            service.stop.ask()
            thread.join()


def state_of(service: Service, script: str) -> ScriptState:
    """Where a script is."""
    (state,) = [state for state in service.states() if state.script.name == script]
    return state
