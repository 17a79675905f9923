import math
from contextlib import ExitStack

import pytest
from support.receiving import receiving

from regbot.notify.notifier import Notifier
from regbot.notify.outbox import Tries
from regbot.stopping import Stop


@pytest.fixture
def serve():
    """Starts receivers that last as long as the test."""
    with ExitStack() as ending:
        yield lambda *answers, **more: ending.enter_context(receiving(*answers, **more))


@pytest.fixture
def events():
    """What was told to the log."""
    return []


@pytest.fixture
def open_notifier(events, monkeypatch):
    """Makes notifiers that hardly wait between their tries, and closes them.

    None says that its end waits for receivers: that depends on the speed of this machine.
    """
    monkeypatch.setattr("regbot.notify.notifier._TELLS_AFTER", math.inf)
    opened = []

    def open_notifier(*receivers, environ=None, **more):
        more = {"tries": Tries(3, 0.01), **more}
        opened.append(Notifier(receivers, events.append, environ or {}, **more))
        return opened[-1]

    yield open_notifier
    for notifier in opened:
        notifier.close(Stop(), 0.0)
