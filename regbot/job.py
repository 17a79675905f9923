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
from regbot.plan.executor import Ledger
from regbot.plan.session import open_session
from regbot.stopping import Stop

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
    finds the names a script may ask for; ``blob_limit`` is in bytes.
    """

    bind: Callable[[Stop], Exchange]
    emit: Emit
    ledger: Ledger
    environment: Mapping[str, str]
    flavour: str
    blob_limit: int
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
    with open_session(
        script.name,
        services.bind,
        stop=stop,
        emit=services.emit,
        ledger=services.ledger,
        dry_run=services.dry_run,
    ) as session:
        context = Context(
            script=script.name,
            stores=session.stores,
            executor=session.executor,
            emit=services.emit,
            stop=stop,
            blob_limit=services.blob_limit,
            lua_path=script.lua_path,
            work_dir=script.work_dir,
        )
        program = sandbox.Program(script.chunk_name, script.text, script.memory, services.flavour)
        environment = sandbox.environment_for(script.env, services.environment)
        found = interface(environment, script.args)
        return sandbox.run(program, found, dispatcher(context), stop)


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
