"""regbot: Lua scripts on a schedule that look after container registries."""

from __future__ import annotations

TYPE_CHECKING = False  # the one of ``typing`` would delay the start of the command
if TYPE_CHECKING:
    from regbot.client import Client
    from regbot.http.hosts import HostSettings, Login, Secret
    from regbot.image.options import CopyOptions
    from regbot.oci.reference import Reference
    from regbot.plan.guard import Guard
    from regbot.plan.planfile import Plan

__all__ = [
    "Client",
    "CopyOptions",
    "Guard",
    "HostSettings",
    "Login",
    "Plan",
    "Reference",
    "Secret",
]


def __getattr__(name: str) -> object:
    """Import a name of ``__all__`` when it is asked for: the command starts without it."""
    homes = {
        "Client": "client",
        "CopyOptions": "image.options",
        "Guard": "plan.guard",
        "HostSettings": "http.hosts",
        "Login": "http.hosts",
        "Plan": "plan.planfile",
        "Reference": "oci.reference",
        "Secret": "http.hosts",
    }
    if name not in homes:
        raise AttributeError(f"module 'regbot' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"regbot.{homes[name]}")
    value: object = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
