"""Waits before a sync copies an image, until its source allows enough pulls."""

from __future__ import annotations

from collections.abc import Callable

from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.events import Emit, Message
from regbot.image.ratelimit import wait_for_pulls
from regbot.oci.reference import Reference
from regbot.plan.carrying import Wait
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.sync.rules import Sync


def waiting_for_pulls(
    sync: Sync,
    script: str,
    open_store: Callable[[Reference], ReadStore],
    stop: Stop,
    emit: Emit,
) -> Wait:
    """What a sync waits with before each of its copies.

    Where the source can't be asked, it doesn't wait: the copy tells what is wrong.
    """
    limit = sync.rate_limit

    def wait(source: Reference) -> None:
        fields = {"script": script, "repository": str(source.without_name)}
        try:
            wait_for_pulls(
                open_store(source),
                source,
                limit.least,
                poll=limit.retry,
                stop=stop,
                tell=lambda text: emit(Message("info", text, fields)),
            )
        except (Stopped, ScriptTimeout):
            raise
        except RegbotError:
            return

    return wait if limit.least else wait_for_nothing


def wait_for_nothing(_source: Reference) -> None:
    """A Wait for sources without a limit, and for a dry run."""
