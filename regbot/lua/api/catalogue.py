"""All bindings, put together for a run: what scripts find, and who answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.api import (
    blob,
    copy,
    image,
    json,
    log,
    manifest,
    module,
    reference,
    referrer,
    repo,
    semver,
    time,
)
from regbot.lua.api.context import Context
from regbot.lua.api.objects import OBJECT_KINDS
from regbot.lua.binding import Binding, Passed
from regbot.lua.runtime import Interface
from regbot.lua.sandbox import Dispatch
from regbot.lua.values import SHAPES

BINDINGS: tuple[Binding, ...] = (
    *log.BINDINGS,
    *reference.BINDINGS,
    *repo.BINDINGS,
    *manifest.BINDINGS,
    *image.BINDINGS,
    *copy.BINDINGS,
    *blob.BINDINGS,
    *referrer.BINDINGS,
    *time.BINDINGS,
    *semver.BINDINGS,
    *json.BINDINGS,
    *module.BINDINGS,
)


def interface(environment: Mapping[str, str], arguments: Mapping[str, object]) -> Interface:
    """What a script finds: bindings, methods, shapes, its environment and arguments."""
    return Interface(
        functions=[name for binding in BINDINGS for name in binding.all_names],
        methods={
            kind: {b.method: b.name for b in BINDINGS if kind in b.method_of}
            for kind in OBJECT_KINDS
        },
        shapes=SHAPES,
        environment=environment,
        arguments=arguments,
    )


def dispatcher(context: Context) -> Dispatch:
    """Who answers a run's calls."""
    by_name = {name: binding for binding in BINDINGS for name in binding.all_names}

    def dispatch(name: str, arguments: list[Any]) -> tuple[str, Any]:
        binding = by_name.get(name)
        if binding is None:
            raise InvalidValue("there is no such function")
        result = binding.call(context, [Passed(kind, value) for kind, value in arguments])
        return result.kind, result.value

    return dispatch
