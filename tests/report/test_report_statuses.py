"""Every outcome has its place in every form of a report."""

import csv
import io
import json

import pytest

from regbot.errors import StorageError
from regbot.events import RunResult
from regbot.image.options import CopyOptions
from regbot.oci.reference import Reference
from regbot.plan.action import CopyImage, DeleteTag
from regbot.plan.outcome import Outcome
from regbot.report.as_csv import as_csv
from regbot.report.as_html import as_html
from regbot.report.as_json import as_json
from regbot.report.as_markdown import as_markdown
from regbot.report.build import build_report, row_of
from regbot.report.model import STATUSES
from regbot.report.terminal import print_summary, print_table
from regbot.stopping import Stop

APP = Reference.parse("registry.example.org/team/app:v1")
SOURCE = Reference.parse("registry.example.org/team/source:v1")


def delete(status):
    return Outcome("clean", DeleteTag(APP), status)


def copy(status):
    return Outcome("mirror", CopyImage(SOURCE, APP, CopyOptions()), status)


OUTCOMES = [
    copy("unchanged"),
    copy("unchanged"),
    copy("done"),
    copy("stopped"),
    copy("failed"),
    delete("skipped"),
    delete("stopped"),
    delete("planned"),
]
RUNS = (RunResult("clean", "stopped", "stopped"), RunResult("mirror", "failed", "no"))
TOTALS = (
    "1 failed, 2 stopped, 1 skipped, 1 planned, 1 done, 2 unchanged;"
    " 1 of 2 scripts failed; 1 of 2 scripts stopped"
)


class Unreachable:
    """Stores that can't be read any more."""

    def open(self, reference):
        raise StorageError(f"{reference} can't be read")

    def repositories(self, registry, **how):
        raise StorageError(f"{registry} can't be read")


@pytest.fixture(scope="module")
def report():
    return build_report(
        OUTCOMES,
        RUNS,
        kind="once",
        dry_run=False,
        started=0.0,
        finished=1.0,
        stores=Unreachable(),
        stop=Stop(),
    )


def test_a_repository_s_line_counts_each_of_them(report):
    mirror, clean = report.repositories
    assert (mirror.other, mirror.unchanged, mirror.stopped, mirror.failed) == (1, 2, 1, 1)
    assert (clean.deleted, clean.skipped, clean.stopped, clean.other) == (1, 1, 1, 0)


def test_what_needs_attention_comes_first(report):
    assert [row.status for row in report.rows_by_urgency] == [
        "failed",
        "stopped",
        "stopped",
        "skipped",
        "unchanged",
        "unchanged",
        "done",
        "planned",
    ]


def test_json(report):
    data = json.loads(as_json(report))
    assert data["counts"] == {
        "failed": 1,
        "stopped": 2,
        "skipped": 1,
        "planned": 1,
        "done": 1,
        "unchanged": 2,
    }
    assert data["repositories"][0]["unchanged"] == 2
    assert [run["status"] for run in data["runs"]] == ["stopped", "failed"]


def test_csv(report):
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    mirror, clean = [line for line in lines if line["line"] == "repository"]
    assert (mirror["unchanged"], mirror["stopped"], clean["stopped"]) == ("2", "1", "1")
    actions = [line["status"] for line in lines if line["line"] == "action"]
    assert sorted(actions) == sorted(outcome.status for outcome in OUTCOMES)


def test_markdown(report):
    page = as_markdown(report)
    assert f"**{TOTALS}.**" in page
    assert page.count("| unchanged | copy image |") == 2
    assert page.count("| stopped |") == 2 + 1


def test_html(report):
    page = as_html(report)
    for status in STATUSES:
        assert f'<div class="{status}"><dt>{status}</dt>' in page
        assert f".status.{status} {{" in page or f".status.{status}, " in page


def test_the_tables(report):
    out = io.StringIO()
    print_table([row_of(outcome, 0.0) for outcome in OUTCOMES], "copied 1 image", out)
    assert out.getvalue().count("\tcopy image\tunchanged\t") == 2
    assert out.getvalue().count("\tstopped\t") == 2
    assert out.getvalue().splitlines()[-1] == "copied 1 image"
    out = io.StringIO()
    print_summary(report, out)
    assert TOTALS in out.getvalue()
