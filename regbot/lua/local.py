"""Runs the bindings that need no registry and no file, in the script's own process.

Each module of bindings is imported when a script first calls into it, so that a
process starts quickly.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regbot.errors import RegbotError

if TYPE_CHECKING:
    from regbot.lua.binding import Binding


class LocalBindings:
    """The local bindings among ``functions``, which are those of ``sandbox.Interface``.

    ``document_limit`` is how many bytes a document may have, ``now`` LocalContext's.
    """

    def __init__(
        self, functions: Mapping[str, Any], document_limit: int, now: float | None = None
    ) -> None:
        self._modules = {
            name: function["module"] for name, function in functions.items() if function["module"]
        }
        self._document_limit = document_limit
        self._now = now
        self._bindings: dict[str, Binding] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def answer(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        """``{"kind", "value"}`` or ``{"error"}``, as regbot's own process answers."""
        from regbot.lua.binding import LocalContext, Passed

        if name not in self._bindings:
            module = importlib.import_module(self._modules[name])
            self._bindings |= {
                known: binding for binding in module.BINDINGS for known in binding.all_names
            }
        passed = [Passed(kind, value) for kind, value in arguments]
        try:
            context = LocalContext(self._document_limit, self._now)
            result = self._bindings[name].call(name, context, passed)
        except RegbotError as error:
            return {"error": str(error)}
        return {"kind": result.kind, "value": result.value}
