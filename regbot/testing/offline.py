"""The exchange of a test: it sends nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from regbot.errors import InvalidValue
from regbot.http.exchange import Request
from regbot.http.hosts import HostSettings
from regbot.oci.reference import names_of_registry
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class OfflineExchange:
    """Knows registries by their names; see ``exchange.Exchange``. ``blob_limit`` is in bytes."""

    blob_limit: int

    def send(self, registry: str, request: Request) -> NoReturn:
        """Refuse. Raises InvalidValue."""
        raise InvalidValue(f"{registry}: a test sends no {request.method} to a registry")

    def host(self, registry: str) -> HostSettings:
        """The settings of a registry: none."""
        return HostSettings(registry)

    def names(self, registry: str) -> tuple[str, ...]:
        """All names of a registry."""
        return names_of_registry(registry)

    def challenge(self, _registry: str) -> str:
        """No registry has asked for a login."""
        return ""

    def turn(self, _registry: str, _repository: str) -> AbstractContextManager[None]:
        """It is always one's turn: nothing else goes on in a test."""
        return nullcontext()
