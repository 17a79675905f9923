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
        doc="Call a function with each item of a list and its position, many at once, and give the"
        " first result of each call in the order of the list, nil where there is none. While a call"
        " waits for a registry, others go on. The function can use everything that scripts have,"
        " pcall, coroutines of its own and parallel.map included; at most"
        f" {MOST_AT_ONCE} calls to registries are under way at once, those of maps inside one"
        " another together. After an error no further item is begun; those that were begun are"
        " finished, and the error of the first item of the list that failed is raised, with its"
        " position in front when it is a text: what a loop would have raised. A tag is deleted only"
        " from the digest that the same item saw, if it looked, and the reason of a delete is by"
        " default the latest log line of the same item. The function can't yield out of itself."
        " Where Lua can't yield, a call works too, but the other items wait for it: in functions"
        " given to table.sort and string.gsub, while a module is loaded by require, and in Lua 5.1"
        " also in metamethods and iterators.",
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
                f"how many items at once, from 1 to {MOST_AT_ONCE}; {_WORKERS} by default",
                default=_WORKERS,
            ),
        ),
        run=_workers,
        local=True,
        result="any[]",
    ),
)
