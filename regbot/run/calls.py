"""Makes the calls of a command: the functions that scripts have, without Lua."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from regbot.config.values import Call, Calls
from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.events import Message
from regbot.lua.api.catalogue import BINDINGS
from regbot.lua.api.context import Context
from regbot.lua.binding import Binding, LocalContext, Passed

if TYPE_CHECKING:
    from regbot.run.services import Answered

_AHEAD = 64
"""How many calls may be done, or under way, before what the first of them gave is taken."""


def make_calls(calls: Calls, context: Context, answered: Answered) -> str:
    """Make the calls, and hand over what each gives, in their order.

    A call that fails stops no other. Gives why one failed; of several calls, how many did,
    and each is told. Raises Stopped and ScriptTimeout.
    """
    count, failures = len(calls.calls), 0
    text = ""
    with ThreadPoolExecutor(max(1, calls.at_once), "regbot-call") as pool:
        try:
            for call, result in _submitted(pool, calls.calls, context):
                try:
                    answered(call, result.result(), context.stores)
                except (Stopped, ScriptTimeout):
                    raise
                except RegbotError as error:
                    failures += 1
                    text = str(error).removeprefix(f"{context.script}: ")
                    if count > 1:
                        context.emit(Message("error", text, {"script": context.script}))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return f"{failures} of {count} failed" if failures and count > 1 else text


def _submitted(
    pool: ThreadPoolExecutor, calls: Sequence[Call], context: Context
) -> Iterator[tuple[Call, Future[Passed]]]:
    """The calls under way, each once it is the first of them."""
    waiting: list[tuple[Call, Future[Passed]]] = []
    for call in calls:
        waiting.append((call, pool.submit(_make, call, context.of_body())))
        if len(waiting) >= _AHEAD:
            yield waiting.pop(0)
    yield from waiting


def _make(call: Call, context: Context) -> Passed:
    context.stop.check()
    binding = binding_of(call.name)
    if binding.local:
        local = LocalContext(context.blob_limit, context.now())
        return binding.call(context.script, local, call.arguments)
    return binding.call(context.script, context, call.arguments)


def binding_of(name: str, bindings: Iterable[Binding] = BINDINGS) -> Binding:
    """The function with this name."""
    return next(binding for binding in bindings if name in binding.all_names)
