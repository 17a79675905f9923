"""``os.getenv``: the environment variables that the config lists for a script."""

from __future__ import annotations

import json

from regbot.events import Message
from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, Binding, Parameter, Passed, plain


def _getenv(context: Context, name: str) -> Passed:
    if name in context.env:
        return plain(context.environment.get(name))
    if name in context.environment and context.warned.is_first(name):
        line = f"env: {json.dumps([*context.env, name], ensure_ascii=False)}"
        text = (
            f"os.getenv gives nil for {name}, which is set but not listed: add `{line}` to the"
            " script or to defaults in the config"
        )
        context.emit(Message("warn", text, {"script": context.script}))
    return plain(None)


BINDINGS = (
    Binding(
        name="os.getenv",
        doc="The value of an environment variable that env lists in the config, for the script or"
        " in defaults; nil for any other. A warning names a variable that is set but not listed.",
        parameters=(Parameter("name", STRING, "the variable's name"),),
        run=_getenv,
        result="string?",
    ),
)
