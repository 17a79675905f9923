"""--profile: what took the time, as a table on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from regbot.events import Emit, ignore, plain


@contextmanager
def profiled(*, wanted: bool) -> Iterator[Emit]:
    """A listener for the events of a run, whose profile is shown at the end of the block."""
    if not wanted:
        yield ignore
        return
    from regbot.report.layout import Column, Line
    from regbot.report.profile import COLUMNS, Profile
    from regbot.report.terminal import print_lines

    profile = Profile()
    try:
        yield plain(profile)
    finally:
        *titles, last = COLUMNS
        lines = [Line(tuple(cells), text) for *cells, text in profile.rows()]
        print_lines([Column(title) for title in titles], lines, sys.stderr, title=last)
