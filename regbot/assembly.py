"""The parts put together: from a config and options to a bot that runs scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TextIO

from regbot.config.values import Config, Script
from regbot.events import Level
from regbot.http.transport import Transport
from regbot.job import RunResult, Services, run_script
from regbot.logs import make_log
from regbot.lua.flavours import preferred_flavour
from regbot.plan.executor import Ledger
from regbot.plan.report import print_table
from regbot.schedule import Due, Every, Schedule
from regbot.scheduler import Scheduler, run_all
from regbot.stopping import Stop


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the config."""

    dry_run: bool = False
    level: Level = "info"
    json_log: bool = False
    user_agent: str = ""


class Bot:
    """A config's scripts, ready to run."""

    def __init__(self, config: Config, services: Services, stop: Stop) -> None:
        self.stop = stop
        self._config = config
        self._services = services
        self._scripts = [script for script in config.scripts if script.enabled]

    def run_once(self) -> list[RunResult]:
        """Run every enabled script once."""
        parallel = self._config.defaults.parallel
        return run_all(self._scripts, self.run, parallel=parallel, stop=self.stop)

    def serve(self) -> None:
        """Run scripts when they are due, until the stop is asked for."""
        Scheduler(
            [(script, _due(script)) for script in self._scripts],
            self.run,
            parallel=self._config.defaults.parallel,
            stop=self.stop,
            emit=self._services.emit,
        ).serve()

    def print_table(self, stream: TextIO) -> None:
        """Write what was done, or would be, as a table."""
        print_table(self._services.ledger.outcomes, stream)

    def run(self, script: Script) -> RunResult:
        """Run one script, also one that is not in the config."""
        return run_script(script, self._services, self.stop)


@contextmanager
def assemble(config: Config, options: Options) -> Iterator[Bot]:
    """Put a bot together, and let go of its connections at the end."""
    emit = make_log(options.level, "json" if options.json_log else "logfmt")
    client = config.client
    if options.user_agent:
        client = replace(client, user_agent=options.user_agent)
    transport = Transport(client, emit=emit)
    services = Services(
        bind=transport.bind,
        emit=emit,
        ledger=Ledger(),
        environment=os.environ,
        flavour=preferred_flavour(),
        blob_limit=client.blob_limit,
        dry_run=options.dry_run,
    )
    try:
        yield Bot(config, services, Stop())
    finally:
        transport.close()


def _due(script: Script) -> Due:
    if script.schedule:
        return Schedule.parse(script.schedule, script.timezone)
    return Every(script.interval or 0.0)
