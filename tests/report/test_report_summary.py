"""The last line of a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.terminals import terminal

from regbot.events import RunResult
from regbot.image.options import CopyOptions
from regbot.journal.restore import Undone
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.plan.action import (
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.evidence import Evidence
from regbot.plan.outcome import Outcome
from regbot.report.summary import summary, undo_summary
from regbot.report.terminal import print_line

DIGEST = Digest.parse("sha256:" + "0" * 64)


def reference(repository="app", name=":v1"):
    return Reference.parse(f"registry.example.org/{repository}{name}")


def deleted(repository="app", status="done"):
    return Outcome("clean", DeleteTag(reference(repository)), status)


def manifest(*tags, repository="app"):
    action = DeleteManifest(reference(repository, f"@{DIGEST}"), DIGEST)
    return Outcome("clean", action, "done", DIGEST, "", Evidence(tags=tags))


def put(name, status="done"):
    content = Manifest.parse(
        b'{"schemaVersion": 2, "manifests": []}', "application/vnd.oci.image.index.v1+json"
    )
    return Outcome("x", PutManifest(reference(name=name), content), status)


def copied(status="done"):
    return Outcome("mirror", CopyImage(reference("a"), reference("b"), CopyOptions()), status)


def ran(**statuses):
    return [RunResult(script, status) for script, status in statuses.items()]


def line(*outcomes, runs=(), **more):
    return summary(outcomes, runs, seconds=4.21, **more)


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], "changed nothing in 4.2s"),
        ([deleted()], "deleted 1 tag in 1 repository in 4.2s"),
        (
            [deleted(), deleted("other"), deleted("other"), copied(), copied()],
            "deleted 3 tags in 2 repositories and copied 2 images in 4.2s",
        ),
        ([manifest()], "deleted 1 manifest in 1 repository in 4.2s"),
        ([manifest("a", "b")], "deleted 2 tags and 1 manifest in 1 repository in 4.2s"),
        (
            [
                deleted(),
                copied(),
                Outcome("x", PutBlob(reference(), DIGEST, 1, lambda: iter(())), "done"),
                Outcome("x", ExportTar(reference(), Path("a.tar")), "done"),
            ],
            (
                "deleted 1 tag in 1 repository, copied 1 image, stored 1 blob and exported"
                " 1 archive in 4.2s"
            ),
        ),
        (
            [
                deleted(),
                *(deleted(status=status) for status in ("failed", "failed", "skipped", "stopped")),
                copied("unchanged"),
            ],
            (
                "deleted 1 tag in 1 repository in 4.2s;"
                " 2 actions failed, 1 stopped, 1 skipped, 1 unchanged"
            ),
        ),
        ([copied("unchanged")], "changed nothing in 4.2s; 1 action unchanged"),
        ([put(":v1")], "set tag registry.example.org/app:v1 in 4.2s"),
        ([put(":v1"), put(":v2"), put(":v2", "failed")], "set 2 tags in 4.2s; 1 action failed"),
        (
            [put(":v1"), put(f"@{DIGEST}")],
            "set tag registry.example.org/app:v1 and stored 1 manifest in 4.2s",
        ),
    ],
)
def test_it_says_what_was_done_in_which_time(outcomes, text):
    assert line(*outcomes) == text


def test_a_dry_run_says_what_would_be_done():
    planned = [deleted(status="planned"), copied("planned"), deleted(status="skipped")]
    text = "would delete 1 tag in 1 repository and copy 1 image; 1 action skipped"
    assert line(*planned, dry_run=True) == text
    assert line(dry_run=True) == "would change nothing"


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        (ran(a="done"), ""),
        (ran(a="failed"), "; script a failed"),
        (ran(a="stopped"), "; script a stopped"),
        (ran(a="done", b="failed"), "; 1 of 2 scripts failed: b"),
        (
            ran(a="failed", b="stopped", c="done"),
            "; 1 of 3 scripts failed: a; 1 of 3 scripts stopped: b",
        ),
        (
            ran(a="failed", b="failed", c="failed", d="failed", e="failed"),
            "; 5 of 5 scripts failed: a, b, c and 2 more",
        ),
        ([RunResult("two\nlines", "failed")], "; script two\\nlines failed"),
    ],
)
def test_it_names_the_scripts_that_failed_or_were_stopped(runs, text):
    assert line(runs=runs) == f"changed nothing in 4.2s{text}"


def test_what_comes_next_is_at_the_end():
    text = "deleted 1 tag in 1 repository in 4.2s; script a failed; undo with: regbot undo 1"
    assert line(deleted(), runs=ran(a="failed"), then=["undo with: regbot undo 1"]) == text


def undone(status, name=":v1"):
    return Undone(reference(name=name), status)


def test_an_undo_counts_what_it_put_back():
    results = [undone("restored"), undone("restored", f"@{DIGEST}"), undone("skipped")]
    text = "put back 1 tag and 1 manifest in 1 repository in 1m5s; 1 skipped"
    assert undo_summary(results, seconds=65.0) == text
    failed = [undone("failed"), undone("unchanged")]
    assert undo_summary(failed, seconds=1.0) == "changed nothing in 1s; 1 failed, 1 unchanged"
    text = "would put back 1 tag in 1 repository"
    assert undo_summary([undone("planned")], seconds=1.0, dry_run=True) == text


def test_on_a_terminal_it_is_broken_between_clauses_and_a_command_never_is(monkeypatch):
    stream = terminal(monkeypatch, 60)
    way = "undo with: regbot undo 20261128-101500-1a2b -c /home/somebody/registry/regbot.yml"
    print_line(line(deleted(), runs=ran(a="done", b="failed"), then=[way]), stream)
    assert stream.getvalue().splitlines() == [
        "deleted 1 tag in 1 repository in 4.2s;",
        "1 of 2 scripts failed: b;",
        way,
    ]
