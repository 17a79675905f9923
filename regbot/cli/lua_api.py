"""lua-api: the functions that scripts can call."""

from __future__ import annotations

from typing import Literal

import click

from regbot.cli.output import show

Form = Literal["text", "markdown", "luals"]


@click.command("lua-api")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "luals"]),
    default="text",
    show_default=True,
    help="luals is a definition file that gives editors completion and types.",
)
def lua_api(form: Form) -> None:
    """Print the functions that scripts can call.

    \b
    regbot lua-api                         # a page to read
    regbot lua-api --format luals > regbot.meta.lua
    """
    from regbot.lua import pages
    from regbot.lua.api.catalogue import BINDINGS
    from regbot.lua.values import SHAPES

    match form:
        case "text":
            page = pages.terminal(BINDINGS)
        case "markdown":
            page = pages.markdown(BINDINGS, SHAPES)
        case "luals":
            page = pages.meta(BINDINGS, SHAPES)
    show(lambda stream: print(page, end="", file=stream))
