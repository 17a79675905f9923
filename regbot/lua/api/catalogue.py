"""All bindings, put together for a run: what scripts find, and who answers."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.api import (
    artifact,
    blob,
    copy,
    digest,
    environment,
    export,
    image,
    index,
    json,
    log,
    manifest,
    module,
    parallel,
    reference,
    referrer,
    repo,
    retention,
    semver,
    tag,
    time,
)
from regbot.lua.api.context import Context
from regbot.lua.api.documents import Documents
from regbot.lua.api.names import OBJECT_KINDS
from regbot.lua.binding import Binding, Passed
from regbot.lua.calls import NEEDED, Call
from regbot.lua.sandbox import Dispatch, Function, Interface
from regbot.lua.values import SHAPES

_MODULES: tuple[ModuleType, ...] = (
    log,
    reference,
    repo,
    tag,
    manifest,
    image,
    copy,
    export,
    blob,
    referrer,
    index,
    artifact,
    digest,
    retention,
    time,
    semver,
    json,
    parallel,
    environment,
    module,
)

BINDINGS: tuple[Binding, ...] = tuple(binding for module in _MODULES for binding in module.BINDINGS)


def interface(arguments: Mapping[str, object], *, memory: int, document_limit: int) -> Interface:
    """What a script finds: bindings, methods, shapes and its arguments.

    A local binding may be given as much as the script's ``memory``, another one as
    much as its parameters need, with ``document_limit`` for each document.
    """

    def function(module: ModuleType, binding: Binding) -> Function:
        documents = any(parameter.type.limit is None for parameter in binding.parameters)
        if binding.local:
            return Function(memory, documents, module.__name__)
        return Function(binding.limit(document_limit), documents)

    return Interface(
        functions={
            name: function(module, binding)
            for module in _MODULES
            for binding in module.BINDINGS
            for name in binding.all_names
        },
        methods={
            kind: {b.method: b.name for b in BINDINGS if kind in b.method_of}
            for kind in OBJECT_KINDS
        },
        shapes=SHAPES,
        arguments=arguments,
        document_limit=document_limit,
    )


def dispatcher(context: Context) -> Dispatch:
    """Who answers a run's calls."""
    by_name = {name: binding for binding in BINDINGS for name in binding.all_names}

    bodies = {0: context}
    documents = Documents()

    def passed(kind: str, value: Any) -> Passed:  # noqa: ANN401
        stays = kind in ("manifest", "config") and value.get("kept")
        return Passed(kind, value, documents.of(kind, value) if stays else None)

    def dispatch(call: Call) -> tuple[str, Any]:
        binding = by_name.get(call.name)
        if binding is None:
            raise InvalidValue(f"{call.name}: there is no such function")
        if call.outer is not None:
            bodies[call.body] = bodies[call.outer].of_body()
        arguments = [passed(kind, value) for kind, value in call.arguments]
        if any(each.kind and each.value.get("kept") and not each.document for each in arguments):
            return NEEDED, None
        result = binding.call(call.name, bodies[call.body], arguments)
        documents.keep(result)
        return result.kind, result.value

    return dispatch
