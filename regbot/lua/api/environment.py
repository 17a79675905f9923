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
        doc="The value of an environment variable. It has to be listed under env in the config, in"
        " defaults or in the script; any other is nil. If the variable is set but not listed, there"
        " is a warning.",
        parameters=(Parameter("name", STRING, "the variable's name"),),
        run=_getenv,
        result="string?",
    ),
)
