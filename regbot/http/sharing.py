"""What one process may ask of a host that others ask too.

Without it the limits of a host are counted in this process alone. ``run.limits`` has the
implementation for processes that share a database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class HostLimits(Protocol):
    """The limits of one host, shared with other processes. All times are of the pace's clock."""

    def enter(self, wanting: int) -> bool:
        """Take one of this process's slots for an open request, if one is free.

        ``wanting`` is how many threads want one, this one among them. Raises StorageError
        where nobody has known for long whether there is one.
        """
        ...

    def leave(self) -> None:
        """Give a slot back."""
        ...

    def start(self, patience: float) -> float | None:
        """Take the next time at which a request may start, for this process alone.

        None where none is known within ``patience`` seconds. Raises StorageError as
        ``enter`` does.
        """
        ...

    def hold(self, seconds: float, steps: int) -> None:
        """Have all processes leave the host alone, and then go on slowed down by ``steps``."""
        ...

    @property
    def held_until(self) -> float:
        """Until when some process had the host left alone."""
        ...

    @property
    def steps(self) -> int:
        """How much the process that did so had slowed down."""
        ...


class Limits(Protocol):
    """The limits of all hosts, shared with other processes."""

    def host(
        self, host: str, name: str, *, rate: float, at_once: int, freed: Callable[[], None]
    ) -> HostLimits:
        """The limits of a host, by the name that all processes know it by.

        ``name`` is what this process's config calls it, ``rate`` its requests per second
        or 0, and ``at_once`` its open requests. The smallest limits of all processes hold.
        ``freed`` is called from another thread when there may be a slot again.
        """
        ...
