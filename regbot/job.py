"""Run one script, from its text to what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from regbot.config.values import Script
from regbot.errors import RegbotError, Stopped
from regbot.events import Emit, Level, Message
from regbot.http.exchange import Exchange
from regbot.lua import sandbox
from regbot.lua.api.catalogue import dispatcher, interface
from regbot.lua.api.context import Context
from regbot.plan.executor import DryRunExecutor, Executor, Ledger, LiveExecutor
from regbot.stopping import Stop
from regbot.store.opener import OpenStores

_FINISHING_SECONDS = 5.0
"""What a stopped run may still take to put a tag back that was half deleted."""

RunStatus = Literal["ok", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run. ``value`` is what the script returned."""

    script: str
    status: RunStatus
    error: str = ""
    seconds: float = 0.0
    value: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """What the runs of a process share.

    ``bind`` gives the exchange of a run; ``environment`` is where ``os.getenv``
    finds the names a script may ask for.
    """

    bind: Callable[[Stop], Exchange]
    emit: Emit
    ledger: Ledger
    environment: Mapping[str, str]
    flavour: str
    dry_run: bool = False


def run_script(script: Script, services: Services, stop: Stop) -> RunResult:
    """Run a script to its end, whatever happens; nothing is raised.

    The run ends when ``stop`` says so or the script's timeout is over.
    """
    started = time.monotonic()
    services.emit(_message("info", "script started", script, services))
    own = stop if script.timeout is None else stop.within(script.timeout)
    status: RunStatus = "ok"
    error, value = "", ()
    try:
        value = tuple(_run(script, services, own))
    except Stopped as reason:
        status, error = "stopped", str(reason)
    except RegbotError as reason:
        status, error = "failed", str(reason)
    except Exception as reason:  # noqa: BLE001 - a fault of regbot's own must not end the others
        status, error = (
            "failed",
            f"{script.name}: internal error: {type(reason).__name__}: {reason}",
        )
    seconds = time.monotonic() - started
    result = RunResult(script.name, status, error, seconds, value)
    services.emit(_end_message(result, script, services))
    return result


def _run(script: Script, services: Services, stop: Stop) -> list[Any]:
    exchange = services.bind(stop)
    stores = OpenStores(exchange, stop=stop, emit=services.emit)
    written = OpenStores(
        exchange,
        stop=stop,
        emit=services.emit,
        mirrors=False,
        finishing=lambda: services.bind(Stop(timeout=_FINISHING_SECONDS)),
    )
    context = Context(
        script=script.name,
        stores=stores,
        executor=_executor(script.name, services, written),
        emit=services.emit,
        stop=stop,
        blob_limit=exchange.blob_limit,
    )
    program = sandbox.Program(script.chunk_name, script.text, script.memory, services.flavour)
    environment = sandbox.environment_for(script.env, services.environment)
    try:
        return sandbox.run(program, interface(environment, script.args), dispatcher(context), stop)
    finally:
        written.close()


def _executor(script: str, services: Services, stores: OpenStores) -> Executor:
    make = DryRunExecutor if services.dry_run else LiveExecutor
    return make(script, stores, services.ledger, services.emit)


def _message(
    level: Level, text: str, script: Script, services: Services, **fields: str | float
) -> Message:
    dry_run = {"dry-run": True} if services.dry_run else {}
    return Message(level, text, {"script": script.name, **fields, **dry_run})


def _end_message(result: RunResult, script: Script, services: Services) -> Message:
    seconds = round(result.seconds, 3)
    if result.status == "ok":
        return _message("info", "script finished", script, services, seconds=seconds)
    level: Level = "warn" if result.status == "stopped" else "error"
    text = "script stopped" if result.status == "stopped" else "script failed"
    return _message(level, text, script, services, error=result.error, seconds=seconds)
