"""--profile: what took the time, as a table on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from regbot.events import Emit, ignore


@contextmanager
def profiled(*, wanted: bool) -> Iterator[Emit]:
    """A listener for the events of a run, whose profile is shown at the end of the block."""
    if not wanted:
        yield ignore
        return
    from regbot.report.profile import COLUMNS, Profile
    from regbot.report.terminal import print_rows

    profile = Profile()
    try:
        yield profile
    finally:
        print_rows(COLUMNS, list(profile.rows()), sys.stderr)
