"""The process a script runs in: one frame in to start it, calls out, one frame to end.

Started by ``sandbox``, never by hand. It holds no credentials and opens no
connection; what it wants done, it asks for. It goes when its parent goes.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from regbot.lua import wire
from regbot.lua.calls import Call, Calls
from regbot.lua.local import LocalBindings
from regbot.lua.runtime import Runtime

_PARENT_CHECK = 1.0
_MEMORY_FACTOR = 6
_MEMORY_BASE = 768 * 1024 * 1024
_STACK = 256 * 1024 * 1024
"""Bytes of C stack: callbacks of string.gsub take much of it before Lua says stop."""


def main() -> None:
    """Run the script that standard input brings."""
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    start = wire.read(incoming)
    _limit_process(start["memory"])
    _leave_with(start["parent"])
    ended: list[bool] = []

    def run() -> None:
        wire.write(outgoing, _run(start, incoming, outgoing))
        ended.append(True)

    threading.stack_size(_STACK)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    sys.exit(0 if ended else 1)


def _run(start: dict[str, Any], incoming: BinaryIO, outgoing: BinaryIO) -> dict[str, Any]:
    seconds: float | None = start["seconds"]
    deadline = None if seconds is None else time.monotonic() + seconds
    ending: list[str] = []

    def tick() -> str | None:
        if ending:
            return ending[0]
        if deadline is not None and time.monotonic() >= deadline:
            return str(start["late"])
        return None

    interface = start["interface"]
    calls = Calls(incoming, outgoing, largest=_largest(interface["functions"]), ended=ending.append)
    local = LocalBindings(interface["functions"], interface["document_limit"], start["now"])
    runtime = Runtime(
        flavour=start["flavour"],
        memory=start["memory"],
        tick=tick,
        answers=_Answers(calls, local),
        now=start["now"],
        covers=start["covers"],
    )
    runtime.install(interface)
    outcome, value = runtime.run(wire.to_bytes(start["source"]), start["name"], start["line"])
    return {"outcome": outcome, "value": value, "covered": runtime.coverage()}


class _Answers:
    """Answers calls: local bindings here, all others by way of regbot."""

    def __init__(self, calls: Calls, local: LocalBindings) -> None:
        self._local = local
        self._ask = calls.ask
        self.post = calls.post
        self.take = calls.take

    def ask(self, call: Call) -> Mapping[str, Any]:
        """The reply to a call."""
        if call.name in self._local:
            return self._local.answer(call.name, call.arguments)
        return self._ask(call)


def _largest(functions: Mapping[str, Any]) -> int:
    """Bytes that the largest call to regbot may have."""
    return max(int(about["bytes"]) for about in functions.values() if not about["module"])


def _limit_process(memory: int) -> None:
    """Bound the whole process too: Python's copies of what a script hands over."""
    bound = memory * _MEMORY_FACTOR + _MEMORY_BASE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or bound < hard:
        resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
