"""Runs one script in a process of its own and answers its calls.

The script's process can be killed at any moment, which is what makes the limits
hold: a timeout, a stop, memory, an interpreter that breaks.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from regbot.errors import RegbotError, ScriptError, ScriptMemory, ScriptTimeout, Stopped
from regbot.lua import processes, wire
from regbot.lua.answering import Answering
from regbot.lua.calls import Call
from regbot.lua.processes import Process
from regbot.stopping import Stop
from regbot.units import format_size
from regbot.values import dataclass

_LOOK_FOR_STOP = 0.2
_GRACE = 1.0
_READ_AT_ONCE = 64 * 1024
_STDERR_READ = 65536
_STDERR_SHOWN = 300
_LONGEST_NAME = 59
"""Bytes of a chunk's name that Lua shows (LUA_IDSIZE)."""

Dispatch = Callable[[Call], tuple[str, Any]]
"""A call to its result, ``(kind, value)``. Raises RegbotError for what the script gets as
a Lua error. It is called from several threads at once, for each body from one at a time."""


Covered = Callable[[Mapping[str, Any]], None]
"""Is told, at the end of a script, the lines of each chunk that ``ran`` and that ``can`` run."""


@dataclass(frozen=True, slots=True)
class Program:
    """A script and its limits. ``memory`` is in bytes.

    ``file`` is what Lua's errors name, by default the script; the source begins at its
    ``line``.
    ``now`` is what its clock stands at, in seconds since 1970; None for the real one.
    """

    name: str
    source: bytes
    memory: int
    flavour: str
    file: str = ""
    line: int = 1
    now: float | None = None
    covered: Covered | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A binding as the script's process knows it.

    ``bytes`` is how much its arguments may have, ``documents`` whether it needs those
    of the objects it is given. ``module`` is where it is, when it runs in that process.
    """

    bytes: int
    documents: bool
    module: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """What scripts find beside Lua itself, as plain data.

    ``methods`` has names of functions by kind of object and name of method; ``shapes``
    is ``values.SHAPES``; ``document_limit`` is in bytes.
    """

    functions: Mapping[str, Function]
    methods: Mapping[str, Mapping[str, str]]
    shapes: Mapping[str, Sequence[Sequence[str]]]
    arguments: Mapping[str, object]
    document_limit: int


def run(
    program: Program,
    interface: Interface,
    dispatch: Dispatch,
    stop: Stop,
    *,
    start: Callable[[], Process] = processes.start,
) -> list[Any]:
    """Run a script to its end and give what it returned. ``start`` gives it a process.

    Raises ScriptError (with script name and line), ScriptTimeout, ScriptMemory or
    Stopped.
    """
    process = start()
    conversation = _Conversation(process, program, dispatch, stop)
    try:
        return conversation.hold(interface)
    finally:
        process.kill()
        conversation.close()
        processes.end(process)


class _Conversation:
    """The frames between regbot and one script's process."""

    def __init__(self, process: Process, program: Program, dispatch: Dispatch, stop: Stop) -> None:
        self._process = process
        self._program = program
        self._dispatch = dispatch
        self._stop = stop
        self._received = bytearray()
        self._last_config = ""
        self._answering = Answering(self._reply, self._send)

    def hold(self, interface: Interface) -> list[Any]:
        self._send(self._start(interface))
        while True:
            length = self._receive_length()
            message = wire.decode(self._read(length))
            sent = message.get("call") or message.get("calls")
            if sent is None:
                return self._ended(message)
            calls = [
                (number, Call(name, arguments, body, outer))
                for number, body, outer, name, arguments in sent
            ]
            if not self._answering.begin(calls, length, waits="call" in message):
                raise ScriptError(f"{self._program.name}: its process sent too many calls at once")

    def close(self) -> None:
        """Wait for the calls under way; none begins any more."""
        self._answering.close()

    def _start(self, interface: Interface) -> bytes:
        program = self._program
        start = {
            "source": wire.to_text(program.source),
            "name": _shown_in_errors(program.file or program.name),
            "line": program.line,
            "memory": program.memory,
            "flavour": program.flavour,
            "parent": os.getpid(),
            "seconds": self._stop.remaining,
            "late": self._stop.late,
            "interface": asdict(interface),
            "now": program.now,
            "covers": program.covered is not None,
        }
        try:
            return wire.encode(start)
        except ValueError as error:
            raise ScriptError(f"{program.name}: it can't be started: {error}") from None

    def _reply(self, call: Call) -> bytes:
        """What answers a call, as a frame holds it."""
        try:
            self._stop.check()
            kind, value = self._dispatch(call)
            if kind == "config" and not call.body:
                self._last_config = str(value.get("reference", ""))
        except (ScriptTimeout, Stopped) as error:
            return wire.content_of({"error": str(error), "end": True})
        except RegbotError as error:
            return _error(str(error))
        try:
            return wire.content_of({"kind": kind, "value": value})
        except UnicodeEncodeError:
            return _error(f"{call.name}: the answer has half of a surrogate pair in a text")
        except ValueError as error:
            return _error(f"{call.name}: the answer is too large: {error}")

    def _send(self, frame: bytes) -> None:
        stream = self._process.stdin
        if stream is None:
            raise ScriptError(f"{self._program.name}: its process takes no input")
        try:
            stream.write(frame)
            stream.flush()
        except BrokenPipeError:
            raise self._broken() from None

    def _receive_length(self) -> int:
        """The length of the next message, which is not read yet."""
        length = wire.frame_length(self._read(wire.HEADER_SIZE))
        if length > wire.MAX_FRAME:
            raise ScriptError(f"{self._program.name}: its process sent {length} bytes at once")
        return length

    def _read(self, size: int) -> bytes:
        """The next bytes of the process; what comes with them is kept for the next time."""
        stream = self._process.stdout
        if stream is None:
            raise ScriptError(f"{self._program.name}: its process gives no output")
        while len(self._received) < size:
            self._await_readable(stream.fileno())
            part = os.read(stream.fileno(), _READ_AT_ONCE)
            if not part:
                raise self._broken()
            self._received += part
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _await_readable(self, descriptor: int) -> None:
        late = 0.0
        while not select.select([descriptor], [], [], _LOOK_FOR_STOP)[0]:
            if self._answering.busy:
                continue  # a call under way sees the stop itself, and the script is told
            reason = self._stop.reason()
            late += _LOOK_FOR_STOP if isinstance(reason, ScriptTimeout) else 0.0
            if isinstance(reason, Stopped) or (reason and late > _GRACE):
                raise type(reason)(f"{self._program.name}: {reason}")

    def _ended(self, message: dict[str, Any]) -> list[Any]:
        outcome, value = message["outcome"], message["value"]
        if self._program.covered:
            self._program.covered(message["covered"])
        if outcome == "ok":
            return list(value)
        if outcome == "memory":
            raise self._out_of_memory()
        if outcome == "stopped":
            reason = self._stop.reason()
            raise (type(reason) if isinstance(reason, Stopped) else ScriptTimeout)(value)
        raise ScriptError(self._with_hint(value) if outcome == "script" else value)

    def _with_hint(self, error: str) -> str:
        from regbot.lua.hints import Text, with_hint  # late: most scripts have no error

        program = self._program
        text = Text(program.source, _shown_in_errors(program.file or program.name), program.line)
        return with_hint(error, text, lambda: self._last_config)

    def _out_of_memory(self) -> ScriptMemory:
        limit = format_size(self._program.memory)
        text = f"{self._program.name}: used more than its memory of {limit}"
        return ScriptMemory(f"{text} (set a larger memory in the config's defaults)")

    def _broken(self) -> ScriptError:
        status = self._process.wait()
        output = self._process.stderr.read(_STDERR_READ) if self._process.stderr else b""
        no_memory = b"not enough memory" in output or b"MemoryError" in output
        if status == -signal.SIGABRT or no_memory:
            return self._out_of_memory()
        last = output.decode("utf-8", "replace").strip().rpartition("\n")[2][:_STDERR_SHOWN]
        why = _ending(status) + (f": {last}" if last else "")
        return ScriptError(f"{self._program.name}: {why}")


def _shown_in_errors(name: str) -> str:
    """A name as long as Lua's errors show one; the end of a path says more than its begin."""
    text = name.encode("utf-8", "replace")
    if len(text) > _LONGEST_NAME:
        text = b"..." + text[3 - _LONGEST_NAME :]
    return text.decode("utf-8", "ignore")


def _ending(status: int) -> str:
    """How a process ended, in words; ``status`` is Popen's."""
    if status >= 0:
        return f"the process it ran in ended early, with exit code {status}"
    if status == -signal.SIGKILL:
        return "the process it ran in was killed, by a person or by a system short of memory"
    if status == -signal.SIGSEGV:
        return (
            "the process it ran in crashed (segmentation fault): patterns, coroutines or calls"
            " nested too deep for Lua's stack can do that"
        )
    name = signal.strsignal(-status) or "unknown"
    return f"the process it ran in was ended by signal {-status} ({name.lower()})"


def _error(text: str) -> bytes:
    try:
        return wire.content_of({"error": text})
    except UnicodeEncodeError:
        return wire.content_of({"error": text.encode("utf-8", "backslashreplace").decode()})
