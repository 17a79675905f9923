"""``repo.*``: the repositories of a registry."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.api.names import REGISTRY
from regbot.lua.binding import COUNT, STRING, Binding, Parameter, Passed, plain

PAGE = (
    Parameter("limit", COUNT, "the maximum number of names"),
    Parameter("last", STRING, "list only names after this one", default=""),
)
"""The options of a function that lists names."""


def _repositories(context: Context, registry: str, *, limit: int | None, last: str) -> Passed:
    return plain(context.stores.repositories(registry, limit=limit, last=last))


BINDINGS = (
    Binding(
        name="repo.ls",
        doc="The names of a registry's repositories. Some registries don't list them, such as"
        " Docker Hub.",
        parameters=(Parameter("host", REGISTRY, "the registry, host[:port]"),),
        options=PAGE,
        run=_repositories,
        result="string[]",
    ),
)
