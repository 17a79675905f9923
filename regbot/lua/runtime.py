"""A Lua state with limits: what a script can reach, for how long, in how much memory.

Runs in a process of its own (``worker``), so that whatever breaks here - memory,
a pattern that never ends, the interpreter itself - breaks alone.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from regbot.lua.wire import to_bytes, to_text

MAX_DEPTH = 100
MAX_ARGUMENT = 64 * 1024 * 1024
"""Bytes that the arguments of one call may have."""

_OWN_FIELDS = ("kind", "document")

Call = Callable[[str, list[Any]], Mapping[str, Any]]
"""A binding's name and arguments to ``{"kind", "value"}`` or ``{"error"}``."""

Tick = Callable[[], str | None]
"""Why the script must end now, or None."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What scripts find beside Lua itself, as plain data."""

    functions: Sequence[str]
    methods: Mapping[str, Mapping[str, str]]
    shapes: Mapping[str, Sequence[Sequence[str]]]
    environment: Mapping[str, str]
    arguments: Any


class CannotCross(Exception):
    """A value can't leave the script; the text says why."""


def _source(name: str) -> bytes:
    return resources.files("regbot.lua").joinpath("lib", name).read_bytes()


def _no_attributes(_object: object, _name: object, _setting: bool) -> str:  # noqa: FBT001 - lupa's signature
    raise AttributeError("no attribute of a Python object is reachable")


class Runtime:
    """One Lua state for one script."""

    def __init__(self, *, flavour: str, memory: int, tick: Tick, call: Call) -> None:
        """``memory`` is in bytes. Raises ImportError for a flavour lupa lacks."""
        lupa = importlib.import_module(f"lupa.{flavour}")
        self._lupa = lupa
        self._call = call
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
        self._objects = self._library("objects.lua")
        self._newproxy = self._lua.eval(b"newproxy")
        self._describe: Any = None
        self._construct: Any = None
        self._tick = tick
        self._memory = memory
        self._run = self._library("sandbox.lua")(self._ticked)

    def _ticked(self) -> bytes | None:
        self._lua.set_max_memory(self._memory)
        why = self._tick()
        return None if why is None else to_bytes(why)

    def _library(self, name: str) -> Any:  # noqa: ANN401
        return self._load(_source(name), b"=regbot")

    def install(self, interface: Interface) -> None:
        """Put the bindings, ``log``, ``print``, ``args`` and ``os.getenv`` in place."""
        self._construct, self._describe = self._objects(
            self._called,
            lambda raw: self.to_lua(json.loads(to_text(raw))),
            lambda raw: to_bytes(
                json.dumps(json.loads(to_text(raw)), indent=2, ensure_ascii=False)
            ),
            self.to_lua(interface.shapes),
            self.to_lua(interface.functions),
            self.to_lua(interface.methods),
            self._newproxy,
        )
        names = self._lua.globals()
        names[b"args"] = self.to_lua(interface.arguments or {})
        environment = self.to_lua(interface.environment)
        names[b"os"][b"getenv"] = self._lua.eval(
            b"function(values) return function(name) return values[name] end end"
        )(environment)

    def run(self, source: bytes, name: str) -> tuple[str, Any]:
        """Run a script: ``("ok", results)``, or what failed and its text.

        What failed is ``syntax``, ``script``, ``memory`` or ``stopped`` (by tick).
        """
        try:
            outcome = self._run(source, to_bytes(name))
            ok, *results = outcome if isinstance(outcome, tuple) else (outcome,)
            if ok:
                return "ok", [self.to_python(value) for value in results]
            kind, text = to_text(results[0]), to_text(results[1])
        except CannotCross as error:
            return "script", f"{name}: the script's result: {error}"
        except self._lupa.LuaMemoryError:
            kind, text = "script", "not enough memory"
        except self._lupa.LuaError as error:
            kind, text = "script", str(error).partition("\nstack traceback:")[0]
        if self._tick() is not None:
            kind = "stopped"
        elif text.endswith("not enough memory"):
            kind, text = "memory", f"{name}: not enough memory"
        return kind, text

    def _called(self, name: bytes, *arguments: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Answer a call from Lua; no exception may pass through Lua's frames.

        Nor may Lua run out of memory here, so the limit rests until the next tick.
        """
        self._lua.set_max_memory(0)
        try:
            values = [self._argument(value) for value in arguments]
            reply = self._call(to_text(name), values)
            if "error" in reply:
                return False, to_bytes(reply["error"])
            return True, to_bytes(reply["kind"]), self.to_lua(reply["value"])
        except (CannotCross, ValueError) as error:
            return False, to_bytes(f"{to_text(name)}: {error}")

    def _argument(self, value: Any) -> list[Any]:  # noqa: ANN401
        if self._lupa.lua_type(value) == "userdata":
            described = self._describe(value)
            if described is None:
                raise CannotCross("a foreign userdata can't be used here")
            kind, fields = described
            plain = {
                key: self.to_python(item) for key, item in _items(fields) if key not in _OWN_FIELDS
            }
            return [to_text(kind), plain]
        return ["", self.to_python(value)]

    def to_python(self, value: Any, depth: int = 0) -> Any:  # noqa: ANN401
        """A Lua value as JSON has it. Raises CannotCross for what JSON lacks."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return _number(value)
        if isinstance(value, bytes):
            if len(value) > MAX_ARGUMENT:
                raise CannotCross(
                    f"a string of {len(value)} bytes is more than a call can carry ({MAX_ARGUMENT})"
                )
            return to_text(value)
        kind = self._lupa.lua_type(value)
        if kind == "userdata" and self._describe is not None:
            return to_text(self._lua.globals()[b"tostring"](value))
        if kind != "table":
            raise CannotCross(f"a {kind} can't be used here")
        if depth >= MAX_DEPTH:
            raise CannotCross(f"a table is nested deeper than {MAX_DEPTH} levels")
        entries = {key: self.to_python(item, depth + 1) for key, item in value.items()}
        if entries and all(isinstance(key, int) for key in entries):
            count = len(entries)
            if all(position in entries for position in range(1, count + 1)):
                return [entries[position] for position in range(1, count + 1)]
        return {_key(key): item for key, item in entries.items()}

    def to_lua(self, value: Any) -> Any:  # noqa: ANN401
        """A JSON value as Lua has it."""
        if isinstance(value, str):
            return to_bytes(value)
        if isinstance(value, Mapping):
            return self._lua.table_from(
                {
                    to_bytes(key): self.to_lua(item)
                    for key, item in value.items()
                    if item is not None
                }
            )
        if isinstance(value, list | tuple):
            return self._lua.table_from([self.to_lua(item) for item in value])
        return value


def _number(value: float) -> int | float | None:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _key(key: Any) -> str:  # noqa: ANN401
    if isinstance(key, bytes):
        return to_text(key)
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    return str(key)


def _items(table: Any) -> Iterable[tuple[str, Any]]:  # noqa: ANN401
    return [(to_text(key), item) for key, item in table.items()]
