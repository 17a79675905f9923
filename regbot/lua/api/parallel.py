"""``parallel.map``: what is known of it here; it runs in ``lib/parallel.lua``."""

from __future__ import annotations

from regbot.errors import InvalidValue
from regbot.lua.binding import (
    Binding,
    LocalContext,
    Parameter,
    Passed,
    Type,
    describe,
    is_number,
    plain,
)
from regbot.lua.calls import MOST_AT_ONCE

_WORKERS = 16


def _read_workers(passed: Passed) -> int:
    workers = passed.value
    if not isinstance(workers, int) or not is_number(workers) or not 1 <= workers <= MOST_AT_ONCE:
        raise InvalidValue(
            f"expected a whole number from 1 to {MOST_AT_ONCE}, got {describe(passed)}"
            + (f", {workers}" if passed.is_number else "")
        )
    return workers


def _unread(passed: Passed) -> object:
    """A list or function stays in Lua, where it is checked."""
    return passed.value


def _workers(_context: LocalContext, _list: object, _fn: object, *, workers: int) -> Passed:
    """The number of workers, from the options."""
    return plain(workers)


BINDINGS = (
    Binding(
        name="parallel.map",
        doc="Call a function for each item of a list, for many items at once. While one call waits"
        " for a registry, the others go on. The result is a list of what the calls gave (the first"
        " value of each, or nil), in the order of the items."
        " If a call fails, no further item is begun, and those that were begun are finished. Then"
        " the error of the first item of the list that failed is raised. If it is a text, it begins"
        " with the position: parallel.map: item 2: ..."
        " Each item stands for itself: its delete is skipped if the tag has moved since the same"
        " item looked at it, and the default reason is the latest log line of the same item."
        " The function can use everything that scripts have, also pcall, coroutines of its own and"
        f" parallel.map. At most {MOST_AT_ONCE} calls to registries are under way at once, those of"
        " a parallel.map in another one included."
        " The function can't yield out of itself. In some places the other items wait while it"
        " calls a registry: in functions given to table.sort and string.gsub, while require loads"
        " a module, and in Lua 5.1 also in metamethods and iterators.",
        parameters=(
            Parameter("list", Type("array", _unread, "any[]"), "the items"),
            Parameter(
                "fn",
                Type("function", _unread, "fun(item: any, position: integer): any"),
                "called with an item and its position in the list",
            ),
        ),
        options=(
            Parameter(
                "workers",
                Type("integer", _read_workers, "integer", numeric=True),
                f"how many items at once, from 1 to {MOST_AT_ONCE}. Default: {_WORKERS}",
                default=_WORKERS,
            ),
        ),
        run=_workers,
        local=True,
        result="any[]",
    ),
)
