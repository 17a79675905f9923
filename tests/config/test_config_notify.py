"""The section ``notify``."""

from __future__ import annotations

import pytest
from support.configs import load, problems

from regbot.config.load import load_config
from regbot.http.hosts import Secret
from regbot.notify.settings import Receiver

SCRIPTS = "scripts: [{name: nightly, script: x, interval: 1h}]\n"


def receivers(text, **environ):
    return load(SCRIPTS + text, environ=environ).notify


def mistakes(entry):
    return [line.partition(": ")[2] for line in problems(f"{SCRIPTS}notify: [{entry}]")]


def test_each_way_to_tell_somebody():
    text = """
notify:
  - webhook: '{{env "HOOK"}}'
    when: [changes, failure]
    secret: '{{env "KEY"}}'
    scripts: [nightly]
    template: {title: "{{ script }}", body: "{{ error }}"}
  - apprise: slack://a/b/c
    when: [Always]
  - ping: https://hc.example.org/ping/x
    script: nightly
"""
    webhook, chat, ping = receivers(text, HOOK="https://hooks.example.org/x", KEY="k" * 16)
    assert webhook == Receiver(
        "webhook",
        Secret("https://hooks.example.org/x"),
        "bot.yml:4",
        ("changes", "failure"),
        ("nightly",),
        Secret("k" * 16),
        "{{ script }}",
        "{{ error }}",
    )
    assert chat == Receiver("apprise", Secret("slack://a/b/c"), "bot.yml:9", ("always",))
    assert ping == Receiver(
        "ping",
        Secret("https://hc.example.org/ping/x"),
        "bot.yml:11",
        ("failure", "recovery"),
        ("nightly",),
    )


def test_a_url_whose_variable_is_empty_notifies_nobody_and_warns():
    config = load(SCRIPTS + "notify: [{webhook: '{{env \"HOOK\"}}'}]")
    assert config.notify == ()
    assert config.warnings == (
        (
            "bot.yml:2:20: webhook: the template's result is empty"
            " (is the variable or the file empty?)"
        ),
    )


def test_tests_of_scripts_need_no_receivers(tmp_path):
    text = SCRIPTS + "notify: [{webhook: '{{file \"/nowhere\"}}'}]"
    config = load_config(text, filename="bot.yml", environ={}, base=tmp_path, offline=True)
    assert config.notify == ()


def test_nothing_shows_a_url_or_a_secret():
    (receiver,) = receivers(
        "notify: [{webhook: 'https://bot:hidden@x.example.org/hidden', secret: hidden-hidden-hi}]"
    )
    assert "hidden" not in repr(receiver) + str(receiver)


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ("{when: [failure]}", "a notify entry needs webhook, apprise or ping (add one)"),
        (
            "{webhook: 'https://x', ping: 'https://x', script: nightly}",
            "one entry can't have webhook and ping (make an entry for each)",
        ),
        ("{ping: 'https://x'}", "ping needs a script (add script: NAME)"),
        (
            "{ping: 'https://x', script: nigthly}",
            "no script is named 'nigthly' (did you mean nightly?)",
        ),
        (
            "{webhook: 'https://x', scripts: [other]}",
            "no script is named 'other' (the config has: nightly)",
        ),
        ("{ping: 'https://x', script: nightly, when: [always]}", "ping takes no when (remove it)"),
        ("{apprise: 'a://b', secret: 0123456789abcdef}", "apprise takes no secret (remove it)"),
        ("{webhook: 'https://x', script: nightly}", "webhook takes no script (remove it)"),
        (
            "{webhook: 'https://x', when: [sometimes]}",
            (
                "when: expected failure, recovery, changes, approval or always, not 'sometimes'"
                " (write one or more of these words)"
            ),
        ),
        (
            "{webhook: 'https://x', secret: short}",
            (
                "secret: a secret needs at least 16 bytes"
                ' (make one: echo "whsec_$(openssl rand -base64 32)")'
            ),
        ),
        (
            "{webhook: 'https://x', template: {body: '{{ wrong }}'}}",
            "body: there is no variable wrong (docs/notifications.md lists the variables)",
        ),
        (
            "{webhook: 'ftp://user:secret@host/secret'}",
            (
                "webhook: expected an http or https URL"
                " (write one such as https://hooks.example.org/regbot)"
            ),
        ),
        (
            "{webhook: 'https://host/secret path'}",
            "webhook: the URL has a space or another character that is not allowed (remove it)",
        ),
        (
            "{apprise: 'secret'}",
            "apprise: expected a URL of apprise (write one such as ntfy://ntfy.example.org/regbot)",
        ),
        (
            "{webhook: ''}",
            "webhook: the URL is empty (write one such as https://hooks.example.org/regbot)",
        ),
    ],
)
def test_mistakes_are_told_with_what_to_do(entry, mistake):
    assert mistakes(entry) == [mistake]


def test_all_mistakes_are_told_at_once():
    text = """notify:
  - {webhook: 'x', when: [never]}
  - {}
  - {ping: 'https://x', script: other}
  - {hook: 'https://x', webhook: 'https://x'}
"""
    places = [line.split(" ")[0] for line in problems(SCRIPTS + text)]
    assert places == [
        "bot.yml:3:15:",
        "bot.yml:3:27:",
        "bot.yml:4:5:",
        "bot.yml:5:33:",
        "bot.yml:6:6:",
    ]
