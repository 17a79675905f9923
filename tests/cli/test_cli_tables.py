"""history, undo, show and in-use as a terminal shows them."""

import sys
from types import SimpleNamespace

import pytest
from support.reports import END, REPOSITORY
from support.terminals import terminal

from regbot.cli import history, in_use, show
from regbot.events import RunResult
from regbot.image.copy import Carried
from regbot.image.options import CopyOptions
from regbot.journal.records import ActionRecord, PlanRecord, RunRecord
from regbot.journal.restore import Undone
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import CopyImage, DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.kept import Kept
from regbot.plan.planfile import Plan
from regbot.rules.in_use.mention import Mention

WIDTHS = (60, 80, 120)
DIGEST = Digest.parse("sha256:" + "ab" * 32)
TAG = Reference.parse(f"{REPOSITORY}:v1.2")
LONGEST = Reference.parse(f"{REPOSITORY}:{'build-' * 21}ab")
SIGNATURE = TAG.with_tag(Tag(f"sha256-{'ab' * 32}.sig"))
COPY = Reference.parse("mirror.example.org/team/app:v1.2")
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


def test_plans_that_are_kept(snapshot, shown):
    plans = [
        PlanRecord("20250615-150640-8378", END, CONFIG,
                   "would delete 120 tags in 12 repositories and copy 2 images; 1 action skipped"),
        PlanRecord("20250614-150640-00aa", END - 86400, CONFIG, "would change nothing"),
    ]  # fmt: skip
    assert shown(show._show_list, plans) == snapshot


def test_a_plan_with_what_stays(snapshot, shown, monkeypatch):
    reason = "no rule keeps it (rule 1: number 4 by version, only the newest 3 stay)"
    actions = (
        Planned("clean", DeleteTag(TAG, reason, DIGEST, removal="1"), END - 86400 * 90, 5_000_000),
        Planned("clean", DeleteTag(SIGNATURE, "", DIGEST, removal="1", part="signature")),
        Planned("clean", DeleteTag(LONGEST, reason, DIGEST), END - 86400 * 900, 123_456_789),
        Planned("mirror", CopyImage(TAG, COPY, CopyOptions(), digest=DIGEST),
                carried=(Carried(SIGNATURE.name, "signature"), Carried(DIGEST, "SBOM"))),
    )  # fmt: skip
    kept = (
        Kept(
            "clean", TAG.with_tag(Tag("v1.3")), "in use by deployment prod/web", DIGEST, asked=True
        ),
        Kept("clean", TAG.with_tag(Tag("v1.10")), "kept by rule 1: newest 3 by version", DIGEST),
        Kept("clean", TAG.with_tag(Tag("latest")), "protected by latest"),
        Kept("clean", TAG.with_tag(Tag("v1.4")), "the script does not delete it"),
    )
    scripts = (
        RunResult("clean", "done"),
        RunResult("mirror", "done"),
        RunResult("nightly", "failed", "nightly:3: registry.example.org can't be reached"),
    )
    monkeypatch.setattr(show.time, "time", lambda: END)
    plan = Plan(END, "sha256:f00d", actions, kept, scripts)
    named = show.NamedPlan("20250615-150640-8378")
    text = shown(lambda: show._show_plan(plan, named, "", with_kept=True))
    assert text == snapshot
