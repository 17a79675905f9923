"""What one source says."""

from __future__ import annotations

from regbot.rules.in_use.mention import Mention
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """The images that a source names. ``notes`` tell of what is not counted, and why."""

    mentions: tuple[Mention, ...] = ()
    notes: tuple[str, ...] = ()
