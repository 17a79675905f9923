"""Asks a registry whether it takes a login (distribution spec, "Determining Support")."""

from __future__ import annotations

from regbot.http.exchange import Exchange, Request


def takes_login(exchange: Exchange, registry: str) -> bool:
    """Whether the registry asked for a login and took the one of its settings.

    False where it asks for none at its root, as some do: then nothing is known. Raises
    Unauthorized or Forbidden where it refuses the login, and as Exchange.send does.
    """
    exchange.send(registry, Request("GET", "/v2/")).close()
    return bool(exchange.challenge(registry))
