"""A Lua state with limits: what a script can reach, for how long, in how much memory.

Runs in a process of its own (``worker``), so that whatever breaks here - memory,
a pattern that never ends, the interpreter itself - breaks alone.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from regbot.lua.calls import Call
from regbot.lua.conversion import CannotCross, Conversion, lua_text
from regbot.lua.wire import indented, to_bytes, to_text

RESULT_LIMIT = 16 * 1024 * 1024
"""Bytes that the values a script returns may have."""

ERROR_LIMIT = 64 * 1024
"""Characters of an error's text; what is beyond is cut off, with a note."""

_LIBRARY = ("coroutines", "parallel", "objects", "semver", "globals")
_NO_MEMORY = "not enough memory"
_TOO_DEEP = "the JSON is nested too deep"


class Answers(Protocol):
    """Who answers the calls of a script.

    A reply is ``{"kind", "value"}`` or ``{"error"}``. All raise ValueError for a call that
    is too large to be sent.
    """

    def ask(self, call: Call) -> Mapping[str, Any]:
        """The reply to a call."""
        ...

    def post(self, call: Call) -> int:
        """Ask without waiting: the number of the call."""
        ...

    def take(self) -> tuple[int, Mapping[str, Any]]:
        """The next reply to a call that was posted, and its number; waits for one."""
        ...


Sent = tuple[Any, ...]
"""What a function of ours gives to Lua."""

Tick = Callable[[], str | None]
"""Why the script must end now, or None."""


def _source(name: str) -> bytes:
    source = pkgutil.get_data("regbot.lua", f"lib/{name}.lua")
    if source is None:
        raise FileNotFoundError(name)
    return source


def _no_attributes(_object: object, _name: object, _setting: bool) -> str:  # noqa: FBT001 - lupa's signature
    raise AttributeError("no attribute of a Python object is reachable")


class Runtime:
    """One Lua state for one script."""

    def __init__(
        self,
        *,
        flavour: str,
        memory: int,
        tick: Tick,
        answers: Answers,
        now: float | None = None,
        covers: bool = False,
    ) -> None:
        """``memory`` is in bytes. Raises ImportError for a flavour lupa lacks.

        ``now`` is what the clock of ``os.time`` stands at, None for the real one.
        ``covers``: which lines run is noted for ``coverage``.
        """
        lupa = importlib.import_module(f"lupa.{flavour}")
        self._lupa = lupa
        self._answers = answers
        self._lua = lupa.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attributes,
            max_memory=memory,
        )
        if flavour.startswith("luajit"):
            self._lua.execute(b"jit.off()")
        self._load = self._lua.eval(b"loadstring")
        self._library = {name: self._chunk(name) for name in _LIBRARY}
        self._of_userdata = self._lua.eval(b"newproxy, debug.getfenv, debug.setfenv")
        self._values = Conversion(lupa, self._lua, memory, self._text_of)
        self._describe: Any = None
        self._parsed: tuple[bytes, Any] = (b"", None)
        self._limits: Mapping[str, Any] = {}
        self._tick = tick
        self._memory = memory
        self._collect_at = memory // 2
        self._covered, self._lines_of = None, None
        if covers:
            from regbot.lua.coverage import finder_of_lines

            self._covered, self._lines_of = self._lua.table(), finder_of_lines(self._lua)
        self._run, self._compile, self._fail, self._inside = self._chunk("sandbox")(
            self._ticked, None if now is None else int(now), self._covered
        )

    def _chunk(self, name: str) -> Any:  # noqa: ANN401
        return self._load(_source(name), f"@regbot:{name}".encode())

    def install(self, interface: Mapping[str, Any]) -> None:
        """Put the bindings, ``log``, ``print``, ``require`` and ``args`` in place.

        ``interface`` is ``sandbox.Interface`` as JSON has it.
        """
        self._limits = interface["functions"]
        to_lua = self._values.to_lua
        here = {name: True for name, about in self._limits.items() if about["module"]}
        self._library["coroutines"](self._inside, self._fail)
        ask, make_map = self._library["parallel"](
            self._inside,
            to_lua(here),
            self._called,
            self._posted,
            self._taken,
            self._limit_memory,
            self._fail,
        )
        objects = self._library["objects"](
            to_lua(
                {
                    "shapes": interface["shapes"],
                    "functions": list(interface["functions"]),
                    "methods": interface["methods"],
                }
            ),
            ask,
            self._decoded,
            self._shown,
            self._limit_memory,
            self._fail,
            *self._of_userdata,
        )
        bound, self._describe = objects
        self._library["globals"](
            bound, self._fail, self._library["semver"], make_map, self._inside[b"undisturbed"]
        )
        self._lua.globals()[b"args"] = to_lua(interface["arguments"] or {})

    def members(self) -> dict[str, list[str] | None]:
        """The names of all globals, with the members of those that are tables."""
        return {
            to_text(name): self._members_of(value) if name not in (b"_G", b"args") else None
            for name, value in self._lua.globals().items()
        }

    def _members_of(self, value: Any) -> list[str] | None:  # noqa: ANN401
        if self._lupa.lua_type(value) != "table":
            return None
        return [to_text(key) for key in value]

    def compile(self, source: bytes, name: str) -> str | None:
        """What Lua's compiler has against a source; None if it compiles. Nothing is run."""
        try:
            compiled = self._compile(source, to_bytes(name), 1)
        except self._lupa.LuaError as error:
            return str(error)
        return to_text(compiled[1]) if isinstance(compiled, tuple) else None

    def run(self, source: bytes, name: str, line: int = 1) -> tuple[str, Any]:
        """Run a script: ``("ok", results)``, or what failed and its text.

        Its lines are counted from ``line``. What failed is ``syntax``, ``script``, ``memory``
        or ``stopped`` (by tick).
        """
        try:
            outcome = self._run(source, to_bytes(name), line)
            ok, *results = outcome if isinstance(outcome, tuple) else (outcome,)
            self._lua.set_max_memory(0)
            if ok:
                return "ok", self._values.to_python(tuple(results), RESULT_LIMIT, "the results")
            kind, text = to_text(results[0]), to_text(results[1])
        except CannotCross as error:
            return "script", f"{name}: what the script returns: {error}"
        except self._lupa.LuaMemoryError:
            kind, text = "script", _NO_MEMORY
        except self._lupa.LuaError as error:
            kind, text = "script", str(error).partition("\nstack traceback:")[0]
        if self._tick() is not None:
            kind = "stopped"
        elif text.endswith(_NO_MEMORY):
            kind, text = "memory", f"{name}: {_NO_MEMORY}"
        return kind, text if len(text) <= ERROR_LIMIT else f"{text[:ERROR_LIMIT]} [cut]"

    def coverage(self) -> dict[str, Any]:
        """The lines of each chunk of the script that ran, and those that can; ask at the end."""
        if self._covered is None or self._lines_of is None or self._tick() is not None:
            return {}
        self._lua.set_max_memory(0)
        coverage = {}
        for name, chunk in self._covered.items():
            can = self._lines_of(chunk[b"chunk"])
            ran = can.intersection(chunk[b"lines"])
            coverage[to_text(name).removeprefix("=")] = {"ran": sorted(ran), "can": sorted(can)}
        return coverage

    def _ticked(self) -> bytes | None:
        self._collect_garbage()
        why = self._tick()
        return None if why is None else to_bytes(why)

    def _limit_memory(self) -> None:
        """Set the limit again, which is off while Python works on Lua's values.

        A failed allocation of Lua would jump over Python's frames.
        """
        self._collect_garbage()
        self._lua.set_max_memory(self._memory)

    def _collect_garbage(self) -> None:
        """Collect early when the limit is near: Lua waits until its memory has doubled."""
        if self._lua.get_memory_used() > self._collect_at:
            self._lua.gccollect()
            self._collect_at = (self._lua.get_memory_used() + self._memory) // 2

    def _called(self, body: int, outer: int | None, name: bytes, *arguments: Any) -> Sent:  # noqa: ANN401
        """Answer a call of a body."""

        def ask(call: Call) -> Sent:
            return self._given(self._answers.ask(call))

        return self._sent(ask, body, outer, to_text(name), arguments)

    def _posted(self, body: int, outer: int | None, name: bytes, *arguments: Any) -> Sent:  # noqa: ANN401
        """Send a call of a body: its number."""
        return self._sent(self._post, body, outer, to_text(name), arguments)

    def _post(self, call: Call) -> Sent:
        return (self._answers.post(call),)

    def _sent(
        self,
        send: Callable[[Call], Sent],
        body: int,
        outer: int | None,
        name: str,
        arguments: tuple[Any, ...],
    ) -> Sent:
        """What ``send`` gives; no exception may pass through Lua's frames."""
        self._lua.set_max_memory(0)
        try:
            return send(Call(name, self._arguments(name, arguments), body, outer))
        except CannotCross as error:
            return None, to_bytes(f"{name}: {error}")
        except ValueError as error:
            return None, lua_text(f"{name}: the call is too large: {error}")
        except self._lupa.LuaError as error:  # the script has to end, which a hook repeats
            return None, to_bytes(str(error))
        except RecursionError:
            return None, to_bytes(f"{name}: {_TOO_DEEP}")
        except MemoryError:
            return None, _NO_MEMORY.encode()

    def _taken(self) -> Sent:
        """The next reply to a call that was posted: its number, then as in ``_given``."""
        self._lua.set_max_memory(0)
        number, reply = self._answers.take()
        try:
            return number, *self._given(reply)
        except RecursionError:
            return number, False, _TOO_DEEP.encode()
        except MemoryError:
            return number, False, _NO_MEMORY.encode()

    def _given(self, reply: Mapping[str, Any]) -> Sent:
        """A reply as Lua gets it: true, kind and value, or false and a text."""
        if "error" in reply:
            return False, lua_text(reply["error"])
        return True, to_bytes(reply["kind"]), self._values.to_lua(reply["value"])

    def _arguments(self, function: str, values: tuple[Any, ...]) -> list[list[Any]]:
        """Each argument as ``[kind, value]``."""
        limits = self._limits[function]
        kinds, contents = [], []
        for value in values:
            kind, content = b"", value
            if self._lupa.lua_type(value) == "userdata":
                kind, content = self._describe(value, limits["documents"])
            kinds.append(to_text(kind))
            contents.append(content)
        plain = self._values.to_python(tuple(contents), limits["bytes"], "the arguments")
        return [[kind, content] for kind, content in zip(kinds, plain, strict=True)]

    def _text_of(self, value: Any) -> str | None:  # noqa: ANN401
        """The text of an object, as ``tostring`` gives it; None for what is no object."""
        _, fields = self._describe(value, True)  # noqa: FBT003 - the whole of it
        text, raw = fields[b"text"], fields[b"raw"]
        if raw is not None:
            return indented(to_text(raw))
        return None if text is None else to_text(text)

    def _decoded(self, raw: bytes, name: bytes | None = None) -> tuple[bool, Any]:
        """The JSON text of an object as Lua has it, or its field of that name."""

        def decode() -> Any:  # noqa: ANN401
            if self._parsed[0] != raw:
                self._parsed = (raw, json.loads(to_text(raw)))
            document = self._parsed[1]
            if name is not None:
                document = document.get(to_text(name))
            return self._values.to_lua(document)

        return self._done(decode)

    def _shown(self, raw: bytes) -> tuple[bool, Any]:
        """The JSON text of an object, indented."""
        return self._done(lambda: lua_text(indented(to_text(raw))))

    def _done(self, work: Callable[[], Any]) -> tuple[bool, Any]:
        """What the work gives, or why it fails; it makes values of Lua, so without a limit."""
        self._lua.set_max_memory(0)
        try:
            return True, work()
        except ValueError:
            return False, b"the document is not JSON"
        except RecursionError:
            return False, _TOO_DEEP.encode()
        except MemoryError:
            return False, _NO_MEMORY.encode()
