"""Waits until a registry's limit of pulls leaves enough of them."""

from __future__ import annotations

from collections.abc import Callable

from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore


def wait_for_pulls(
    store: ReadStore,
    reference: Reference,
    least: float,
    *,
    poll: float,
    timeout: float | None = None,
    stop: Stop,
    tell: Callable[[str], None],
) -> bool:
    """Wait until so many pulls are left, or ``timeout`` seconds; whether that came about.

    It is asked every ``poll`` seconds, by a HEAD of the image. A registry without a limit has
    enough. Raises what the store and ``stop`` raise.
    """
    left = timeout
    while True:
        rate = store.head(reference.name).rate_limit
        if rate.remaining is None or rate.remaining >= least:
            return True
        if left is not None and left <= 0:
            return False
        tell(f"waiting until {least:g} pulls remain, now {rate.remaining}")
        pause = poll if left is None else min(poll, left)
        stop.wait(pause)
        left = None if left is None else left - pause
