"""Runs a Lua program, or makes the calls of a command: both use the functions of scripts."""

from __future__ import annotations

from typing import Any

from regbot.config.values import Calls, Script
from regbot.lua import sandbox
from regbot.lua.api.catalogue import dispatcher, interface
from regbot.lua.api.context import Context
from regbot.plan.session import Session
from regbot.run.calls import make_calls
from regbot.run.services import Services
from regbot.stopping import Stop


def run_text(script: Script, services: Services, stop: Stop, session: Session) -> list[Any]:
    """Run a Lua program to its end, and give what it returns."""
    context = _context_of(script, services, stop, session)
    fixture = services.fixture
    program = sandbox.Program(
        script.name,
        script.text,
        script.memory,
        services.flavour,
        file=script.chunk_name,
        line=script.line,
        now=fixture.now if fixture else None,
        covered=fixture.covered if fixture else None,
    )
    visible = interface(script.args, memory=script.memory, document_limit=services.blob_limit)
    return sandbox.run(program, visible, dispatcher(context), stop, start=services.start_process)


def run_calls(
    calls: Calls, script: Script, services: Services, stop: Stop, session: Session
) -> str:
    """Make the calls of a command, and give why some failed. Raises as ``make_calls`` does."""
    return make_calls(calls, _context_of(script, services, stop, session), services.answered)


def _context_of(script: Script, services: Services, stop: Stop, session: Session) -> Context:
    """What the functions that a script calls are told."""
    return Context(
        script=script.name,
        stores=session.stores,
        executor=session.executor,
        emit=services.emit,
        stop=stop,
        blob_limit=services.blob_limit,
        lua_path=script.lua_path,
        modules=script.modules,
        work_dir=script.work_dir,
        env=script.env,
        environment=services.environment,
        in_use=services.in_use(script.in_use, stop),
        now=services.now,
    )
