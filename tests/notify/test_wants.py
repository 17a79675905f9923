"""Who is told of what."""

from __future__ import annotations

import pytest

from regbot.http.hosts import Secret
from regbot.notify.notification import Notification
from regbot.notify.notifier import wants
from regbot.notify.settings import Receiver


def receiver(*when, **more):
    return Receiver(
        "webhook", Secret("http://127.0.0.1"), **({"when": when} if when else {}), **more
    )


def told(what, *occasions, scripts=("nightly",)):
    return Notification(what, 0.0, frozenset(occasions), scripts)


START = told("start")
SUCCESS = told("success")
STOPPED = told("stopped")
FAILURE = told("failure", "failure", "changes")
RECOVERY = told("recovery", "recovery")
CHANGES = told("changes", "changes")
APPROVAL = told("approval", "approval", "changes")
LAPSED = told("lapsed", "approval")
TEST = told("test")
ALL = (START, SUCCESS, STOPPED, FAILURE, RECOVERY, CHANGES, APPROVAL, LAPSED, TEST)


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ((), [FAILURE, RECOVERY, TEST]),
        (("failure",), [FAILURE, TEST]),
        (("recovery",), [RECOVERY, TEST]),
        (("changes",), [FAILURE, CHANGES, APPROVAL, TEST]),
        (("approval",), [APPROVAL, LAPSED, TEST]),
        (("always",), [SUCCESS, STOPPED, FAILURE, RECOVERY, CHANGES, APPROVAL, LAPSED, TEST]),
    ],
)
def test_each_is_told_what_it_wants(when, wanted):
    assert [each for each in ALL if wants(receiver(*when), each)] == wanted


def test_scripts_limit_what_is_told():
    limited = receiver("always", scripts=("nightly", "weekly"))
    assert wants(limited, SUCCESS)
    assert wants(limited, told("success", scripts=("other", "weekly")))
    assert not wants(limited, told("success", scripts=("other",)))
