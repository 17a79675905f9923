"""What happened, as frozen values: logs, metrics and reports subscribe to them.

The core emits events and knows nothing of who listens. No event holds a secret:
URLs come without query and user part, headers don't come at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["trace", "debug", "info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """A line for the log: a text and its fields."""

    level: Level
    text: str
    fields: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One HTTP request was answered, or failed with ``status`` 0.

    ``seconds`` is the time until the headers of the answer were there.
    """

    host: str
    method: str
    url: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delayed:
    """A request waits before it is tried again, or for its host's pace."""

    host: str
    seconds: float
    why: str


Event = Message | Exchanged | Delayed
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An Emit nobody listens to."""
