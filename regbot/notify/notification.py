"""What is told: one value, from which every text and document is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Literal

from regbot.notify.settings import Occasion
from regbot.values import dataclass
from regbot.version import __version__

What = Literal[
    "start", "success", "changes", "recovery", "failure", "stopped", "approval", "lapsed", "test"
]
"""What happened: a run began, or it ended and this is the most important thing to say of it."""

MOST_CHANGES = 50
"""Changes that are listed; the others are counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """An action that was carried out, failed, or is planned."""

    action: str
    reference: str
    status: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for approval, or did: until when, and the command that approves it."""

    id: str
    lapses: float | None
    approve: str


@dataclass(frozen=True, slots=True)
class Notification:
    """What is told of a run, or of a plan. Times are in seconds since 1970.

    ``scripts`` are those that it is about, several where one plan was made of them, and
    ``script`` names them. ``occasions`` are those of ``notify.settings`` that it is one of.
    ``command`` is what began the run, such as ``once``, or ``server`` by schedule. ``counts``
    are its actions by status. Of its ``changes`` the first are listed, and ``more`` are not.
    ``link`` leads to the page of the run or plan, and ``undo`` is the command that takes the
    run back; both may be empty.
    """

    what: What
    time: float
    occasions: frozenset[Occasion] = frozenset()
    scripts: tuple[str, ...] = ()
    script: str = ""
    command: str = ""
    run: str = ""
    status: str = ""
    error: str = ""
    seconds: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    summary: str = ""
    changes: tuple[Change, ...] = ()
    more: int = 0
    link: str = ""
    undo: str = ""
    plan: Waiting | None = None


def document(notification: Notification) -> dict[str, Any]:
    """The fields that a webhook gets and that templates can use, by their names."""
    plan = notification.plan
    return {
        "event": notification.what,
        "time": moment(notification.time),
        "script": notification.script,
        "command": notification.command,
        "run": notification.run,
        "status": notification.status,
        "error": notification.error,
        "seconds": round(notification.seconds, 3),
        "counts": dict(notification.counts),
        "summary": notification.summary,
        "changes": [
            {
                "action": change.action,
                "reference": change.reference,
                "status": change.status,
                "reason": change.reason,
                "detail": change.detail,
            }
            for change in notification.changes
        ],
        "more": notification.more,
        "link": notification.link,
        "undo": notification.undo,
        "plan": plan
        and {
            "id": plan.id,
            "lapses": None if plan.lapses is None else moment(plan.lapses),
            "approve": plan.approve,
        },
        "version": __version__,
    }


def moment(seconds: float) -> str:
    """A time in UTC, to the second (RFC 3339)."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
