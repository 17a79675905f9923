"""Titles and texts: the default ones, and templates in their place."""

from __future__ import annotations

import json

import pytest

from regbot.errors import InvalidValue
from regbot.http.hosts import Secret
from regbot.notify.notification import Change, Notification
from regbot.notify.settings import Receiver
from regbot.notify.template import check_template
from regbot.notify.wording import default_text, worded

FAILED = Notification(
    "failure",
    0.0,
    script="nightly",
    error="denied",
    summary="changed nothing in 1s",
    changes=(Change("delete tag", "registry.example.org/app:old", "failed", "", "denied"),),
)


def wording(title="", body="", notification=FAILED, warnings=None):
    receiver = Receiver("webhook", Secret("http://127.0.0.1"), title=title, body=body)
    heard = []
    made = worded(notification, receiver, heard.append)
    assert heard == (warnings or [])
    return made.title, made.text


def test_templates_replace_the_texts():
    title = "{{ event|upper }} of {{ script }}"
    body = "{% for change in changes %}{{ change.reference }}\n{% endfor %}in {{ seconds }}s"
    assert wording(title, body) == (
        "FAILURE of nightly",
        "registry.example.org/app:old\nin 0.0s",
    )


def test_one_template_leaves_the_other_text():
    title, text = wording(title="{{ script }}")
    assert title == "nightly"
    assert text.startswith("denied\nchanged nothing in 1s\n- delete tag")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{{ plan.id.x }}", "it uses a value that is not there"),
        ("{{ seconds / 0 }}", "it stopped with a ZeroDivisionError"),
        ("{{ counts.clear() }}", "it uses something that is not allowed"),
        ("{{ error.__class__.__mro__ }}", "it uses something that is not allowed"),
        ("{% for i in range(1000000) %}x{% endfor %}", "it stopped with a OverflowError"),
    ],
)
def test_a_template_that_fails_gives_way_to_the_default_text(body, why):
    told = f"the template of the body failed, so the default text is sent: {why}"
    _, text = wording(body=body, warnings=[told])
    assert text == default_text(FAILED)


def test_the_failure_of_a_template_is_logged_and_the_message_sent(serve, open_notifier, events):
    inbox = serve()
    receiver = Receiver("webhook", Secret(inbox.url), "bot.yml:3", body="{{ plan.id.x }}")
    notifier = open_notifier(receiver)
    notifier.tell(Notification("failure", 0.0, frozenset({"failure"}), error="denied"))
    assert json.loads(inbox.next().body)["text"] == "denied"
    (event,) = events
    assert event.level == "warn"
    assert event.fields == {"receiver": "webhook of bot.yml:3"}


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ scrpt }}", "there is no variable scrpt"),
        ("a\n{% if script %}", "line 2: syntax error"),
        ("{{ script|nonsense }}", "line 1: there is no such filter or test"),
        ("{{ script is nonsense }}", "line 1: there is no such filter or test"),
        ("{% include 'x' %}", "it names another template"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "it is nested too deeply"),
    ],
)
def test_mistakes_are_found_before_anything_runs(template, why):
    with pytest.raises(InvalidValue) as caught:
        check_template(template)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "template", ["", "plain", "{% set a = script %}{{ a }}", "{{ counts.failed }} {{ plan }}"]
)
def test_what_can_be_filled_in_is_fine(template):
    check_template(template)


def test_values_are_never_templates():
    hostile = Notification("failure", 0.0, script="{{ 7 * 7 }}", error="{% raise %}")
    title, text = wording(title="{{ script }}", body="{{ error }}", notification=hostile)
    assert (title, text) == ("{{ 7 * 7 }}", "{% raise %}")


def test_a_title_is_one_line_and_texts_are_bounded():
    title, text = wording(title="a\n\x1b[31mb" + "c" * 500, body="x" * 100_000 + "\x00")
    assert title == ("a [31mb" + "c" * 500)[:250]
    assert text == "x" * 8000


def test_the_first_changes_are_listed_and_the_others_counted():
    changes = tuple(Change("delete tag", f"app:{n}", "done") for n in range(12))
    text = default_text(Notification("changes", 0.0, changes=changes, more=30))
    assert text.splitlines()[-2:] == ["- delete tag app:9", "- and 32 more"]
