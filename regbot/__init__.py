"""regbot: Lua scripts on a schedule that look after container registries."""

from __future__ import annotations

TYPE_CHECKING = False  # the one of ``typing`` would delay the start of the command
if TYPE_CHECKING:
    from regbot.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    """Import ``Client`` when it is asked for: the command starts without it."""
    if name == "Client":
        from regbot.client import Client

        return Client
    raise AttributeError(f"module 'regbot' has no attribute {name!r}")
