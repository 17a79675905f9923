"""history, undo and in-use as a terminal shows them."""

import sys
from types import SimpleNamespace

import pytest
from support.reports import END, REPOSITORY
from support.terminals import terminal

from regbot.cli import history, in_use
from regbot.journal.records import ActionRecord, RunRecord
from regbot.journal.restore import Undone
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.rules.in_use.mention import Mention

WIDTHS = (60, 80, 120)
DIGEST = Digest.parse("sha256:" + "ab" * 32)
TAG = Reference.parse(f"{REPOSITORY}:v1.2")
LONGEST = Reference.parse(f"{REPOSITORY}:{'build-' * 21}ab")
CONFIG = "/etc/regbot/cleanup-of-all-our-registries.yml"


SCREENS = [(width, colour) for width in WIDTHS for colour in ("colour", "plain")]


@pytest.fixture(params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def shown(request, monkeypatch):
    """What a function shows on a terminal."""
    width, colour = request.param
    stream = terminal(monkeypatch, width, colour=colour == "colour")

    def shown(show, *arguments):
        monkeypatch.setattr(sys, "stdout", stream)
        show(*arguments)
        return stream.getvalue()

    return shown


def test_runs(snapshot, shown):
    text = shown(
        history._show_runs,
        [
            RunRecord("20250615-150640-8378", "once", CONFIG, "", END, END + 4.2, "done",
                      {"done": 12, "skipped": 3}),
            RunRecord("20250614-150640-00aa", "server", CONFIG, "", END - 86400, None,
                      "interrupted", {"begun": 1}),
        ]
    )  # fmt: skip
    assert text == snapshot


def test_the_actions_of_a_run(snapshot, shown):
    def record(reference, status, **more):
        usual = {"verb": "delete tag", "reason": "no rule keeps it", "detail": ""}
        fields = {"id": 1, "run": "", "at": END, "script": "clean", "digest": DIGEST}
        return ActionRecord(**{**usual, **fields, **more}, reference=reference, status=status)

    text = shown(
        history._show_actions,
        [
            record(TAG, "done"),
            record(LONGEST, "skipped", detail="in use by deployment prod/web (context eu1)"),
            record(TAG.with_digest(DIGEST), "begun", verb="delete manifest"),
            record(TAG, "done", script="mirror", verb="copy image", reason=""),
        ],
    )
    assert text == snapshot


def test_what_an_undo_put_back(snapshot, shown):
    text = shown(
        history._show_undone,
        [
            Undone(TAG, "restored", digest=DIGEST),
            Undone(LONGEST, "skipped", f"it is on {DIGEST} now, and stays there", DIGEST),
        ],
        "put back 1 tag in 1 repository; 1 skipped",
    )
    assert text == snapshot


def test_images_in_use(snapshot, shown):
    answer = SimpleNamespace(
        source=SimpleNamespace(name="kubernetes eu1"),
        error="",
        seen=SimpleNamespace(
            mentions=[
                Mention.parse(str(TAG), "deployment prod/web (context eu1)"),
                Mention.parse(f"{REPOSITORY}@{DIGEST}", "replica set prod/web-7c9d (context eu1)"),
            ]
        ),
    )
    before = [Mention.parse(f"{TAG}@{DIGEST}", "cron job prod/nightly")]
    text = shown(in_use._show, [answer], before)
    assert text == snapshot
