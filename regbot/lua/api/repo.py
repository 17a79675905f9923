"""``repo.*``: the repositories of a registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from regbot.lua.api.context import Context
from regbot.lua.api.names import PATTERNS, REGISTRY
from regbot.lua.binding import COUNT, STRING, Binding, Parameter, Passed, plain
from regbot.oci.patterns import Pattern

Name = TypeVar("Name", bound=str)

FILTERS = (
    Parameter("include", PATTERNS, "only names that one of these fits as a whole", default=()),
    Parameter("exclude", PATTERNS, "no names that one of these fits as a whole", default=()),
)
PAGE = (
    Parameter("limit", COUNT, "the maximum number of names"),
    Parameter("last", STRING, "list only names after this one", default=""),
    *FILTERS,
)
"""The options of a function that lists names."""


def fitting(
    names: Iterable[Name], include: Sequence[Pattern], exclude: Sequence[Pattern]
) -> list[Name]:
    """The names that are included, or all of them without ``include``, and not excluded."""
    return [
        name
        for name in names
        if (not include or any(pattern.fits(name) for pattern in include))
        and not any(pattern.fits(name) for pattern in exclude)
    ]


def _repositories(
    context: Context,
    registry: str,
    *,
    limit: int | None,
    last: str,
    include: Sequence[Pattern],
    exclude: Sequence[Pattern],
) -> Passed:
    names = context.stores.repositories(registry, limit=limit, last=last)
    return plain(fitting(names, include, exclude))


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
