"""The title and the text of a notification, by default or by a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from regbot.errors import InvalidValue
from regbot.notify.notification import Change, Notification, What, document, moment
from regbot.notify.settings import Receiver
from regbot.notify.template import fill_in
from regbot.values import dataclass

_MOST_LISTED = 10
_LONGEST_TITLE = 250
_LONGEST_TEXT = 8000
_TITLES: Mapping[What, str] = {
    "start": "began",
    "success": "ended well",
    "changes": "made changes",
    "recovery": "works again",
    "failure": "failed",
    "stopped": "was stopped",
    "approval": "waits for approval of its plan",
    "lapsed": "has a plan that lapsed",
    "test": "sends a test",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What people read of a notification."""

    title: str
    text: str


def worded(notification: Notification, receiver: Receiver, warn: Callable[[str], None]) -> Wording:
    """The title and text for a receiver. A template that fails gives way to the default text.

    ``warn`` is told why it failed.
    """

    def filled(name: str, template: str, default: str) -> str:
        if not template:
            return default
        try:
            return fill_in(template, document(notification))
        except InvalidValue as error:
            warn(f"the template of the {name} failed, so the default text is sent: {error}")
            return default

    title = filled("title", receiver.title, default_title(notification))
    text = filled("body", receiver.body, default_text(notification))
    return Wording(" ".join(_clean(title).split())[:_LONGEST_TITLE], _clean(text)[:_LONGEST_TEXT])


def default_title(notification: Notification) -> str:
    """What happened, in a few words."""
    who = f"regbot: {notification.script}" if notification.script else "regbot"
    return f"{who} {_TITLES[notification.what]}"


def default_text(notification: Notification) -> str:
    """What happened, what was changed, and what can be done about it."""
    return "\n".join(filter(None, _lines_of(notification)))


def _lines_of(notification: Notification) -> Iterator[str]:
    plan = notification.plan
    yield notification.error
    yield notification.summary
    for change in notification.changes[:_MOST_LISTED]:
        yield f"- {_line_of(change)}"
    more = max(0, len(notification.changes) - _MOST_LISTED) + notification.more
    if more:
        yield f"- and {more} more"
    yield notification.link
    if plan and notification.what == "approval":
        until = "" if plan.lapses is None else f" until {moment(plan.lapses)}"
        yield f"approve{until} with: {plan.approve}"
    if notification.undo:
        yield f"undo with: {notification.undo}"


def _line_of(change: Change) -> str:
    """An action on one line; that it was done or planned goes without saying."""
    status = "" if change.status in ("done", "planned") else f" {change.status}"
    why = "; ".join(filter(None, (change.reason, change.detail)))
    return f"{change.action} {change.reference}{status}{f': {why}' if why else ''}"


def _clean(text: str) -> str:
    """A text whose characters can all be seen, but for the ends of its lines."""
    return "\n".join(
        "".join(c for c in line.expandtabs(4) if c.isprintable()) for line in text.splitlines()
    ).strip()
