"""Tables as a terminal shows them, at several widths, and as a pipe gets them."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.reports import BIDI, DAY, REPOSITORY, report, row
from support.terminals import terminal

from regbot.events import RunResult
from regbot.report.model import RepositoryLine, Row
from regbot.report.terminal import print_summary, print_table

WIDTHS = (60, 80, 120)
LONGEST = "build-" + "0123456789" * 12 + "ab"
SIGNATURE = "sha256-" + "ab" * 32 + ".sig"
OTHER = "registry.example.org/platform/tools/a-repository-with-quite-a-long-name"
LONG_REASON = (
    "no rule keeps it (rule 1: number 11 by date, only the newest 10 stay; rule 2: not newer"
    " than 30d; rule 3: no label org.example.keep=true)"
)
ROWS = (
    row("v1.2.0", status="planned", reason=LONG_REASON, age_seconds=800 * DAY),
    row("v1.2.1", status="planned", reason="no rule keeps it", size=123_456_789),
    row(LONGEST, status="planned"),
    row(SIGNATURE, status="planned", reason="goes with sha256:" + "ab" * 32),
    row(
        "v1.3", status="skipped", reason="no rule keeps it", detail="in use by deployment prod/web"
    ),
    row("v1.10", status="planned", reason="", removal="v1.10"),
    row(SIGNATURE, status="planned", reason="", removal="v1.10", part="signature"),
    row("v1.4", status="failed", detail="DELETE https://registry.example.org/v2/team/app: 403"),
    row("", action="delete manifest", reference=f"{REPOSITORY}@sha256:{'cd' * 32}", reason=""),
    row("v2", repository=OTHER, reference=f"{OTHER}:v2", reason="", age_seconds=None, size=None),
    Row("mirror", OTHER, "copy image", f"{OTHER}:v1.2", "planned", source="hub.example/lib/app:v1",
        carried=(f"signature {SIGNATURE}", "SBOM sha256:" + "cd" * 32)),
    row("v0.9", status="kept", reason="kept by rule 1: newest 3 by version", size=None),
    Row("mirror", OTHER, "copy image", f"{OTHER}:v1.3", "unchanged", source="hub.example/lib/a:b"),
    Row("mirror", OTHER, "put manifest", f"{OTHER}:v1.4", "stopped", detail="stopped by a signal"),
)  # fmt: skip
HOSTILE = (
    row("v1", script=BIDI, reason=f"{BIDI}\n\x1b[31m[red]no[/red]", status="planned"),
    row("v2", script="漢字" * 30, reason="日本語のとても長い理由 " * 8, status="planned"),
    row("v3", script="漢字" * 30, reason="語" * 90, status="done"),
)
LAST = "would delete 5 tags in 2 repositories; apply with: regbot apply 20261128-184525-8378"


def printed(rows, stream, last=LAST):
    print_table(rows, last, stream)
    return stream.getvalue()


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "plain"])
@pytest.mark.parametrize("width", WIDTHS)
def test_actions(snapshot, monkeypatch, width, colour):
    assert printed(ROWS, terminal(monkeypatch, width, colour=colour)) == snapshot


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_and_wide_texts(snapshot, monkeypatch, width):
    assert printed(HOSTILE, terminal(monkeypatch, width)) == snapshot


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [ROWS, HOSTILE], ids=["usual", "hostile"])
def test_a_line_is_too_long_for_a_single_word_alone(monkeypatch, rows, width):
    for line in printed(rows, terminal(monkeypatch, width)).splitlines():
        assert line == line.rstrip()
        words = line.split()
        assert cell_len(line) <= width or len(words) <= 2, line


@pytest.mark.parametrize("width", WIDTHS)
def test_no_tag_is_broken_in_the_middle(monkeypatch, width):
    out = printed(ROWS, terminal(monkeypatch, width))
    for tag in (LONGEST, "v1.2.0", "v1.3"):
        assert tag in out.split()


def test_in_a_pipe_each_action_is_one_line_of_whole_values(snapshot):
    out = printed((*ROWS, *HOSTILE), io.StringIO())
    *lines, last = out.splitlines()
    assert last == LAST
    assert {line.count("\t") for line in lines} == {5}
    assert f"{REPOSITORY}:{LONGEST}" in out
    assert out == snapshot


@pytest.mark.parametrize("setting", ["NO_COLOR", "TERM"])
def test_colours_can_be_switched_off(monkeypatch, setting):
    stream = terminal(monkeypatch, 80, colour=True)
    monkeypatch.setenv(setting, "dumb")
    assert "\x1b[3" not in printed(ROWS, stream)


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "plain"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_summary_of_a_report(snapshot, monkeypatch, width, colour):
    lines = (
        RepositoryLine("clean", REPOSITORY, 120, 12, 108, bytes_only=7_000_000),
        RepositoryLine("clean", OTHER, 5, 1, None, bytes_only=None, unknown=("it is locked",)),
        RepositoryLine("漢字", REPOSITORY, failed=2, skipped=1),
    )
    failed = (RunResult("mirror", "failed", "mirror:1: [bold]no[/]"),)
    stream = terminal(monkeypatch, width, colour=colour)
    print_summary(report(row("x"), repositories=lines, runs=failed), stream)
    assert stream.getvalue() == snapshot


def test_columns_without_a_number_are_left_out(monkeypatch):
    stream = terminal(monkeypatch, 120)
    line = RepositoryLine("clean", REPOSITORY, 5, 2, 3, bytes_only=2048)
    print_summary(report(row("x"), repositories=(line,)), stream)
    assert "deleted" in stream.getvalue()
    assert "unchanged" not in stream.getvalue()


LACKING = "no rule keeps it (rule 1: number {} by version, only the newest 5 stay)"
PLANNED = (
    row("v1.0.0", status="planned", reason=LACKING.format(7),
        age_seconds=800 * DAY, removal="v1.0.0", script="old releases"),
    row(SIGNATURE, status="planned", reason="", removal="v1.0.0", part="signature",
        script="old releases"),
    row("v1.1.0", status="planned", reason=LACKING.format(6),
        age_seconds=420 * DAY, script="old releases"),
    row("v1.2.0", status="skipped", reason="in use by deployment prod/web",
        age_seconds=None, size=None, script="old releases"),
    Row("promote", "registry.example.org/prod/app", "copy image",
        "registry.example.org/prod/app:v2.3.1", "planned",
        source="registry.example.org/team/app:v2.3.1"),
)  # fmt: skip
LAST_OF_DOCS = (
    "would delete 3 tags in 1 repository and copy 1 image; 1 action skipped;"
    " apply with: regbot apply 20261128-184525-8378;"
    " what stays: regbot show 20261128-184525-8378 --kept"
)


def test_the_docs_show_the_table_as_it_is(monkeypatch):
    stream = terminal(monkeypatch, 80)
    stream.write("```text\n")
    table = printed(PLANNED, stream, LAST_OF_DOCS)
    expected = re.sub(r"\x1b\[[0-9;]*m", "", table) + "```\n"
    page = (Path(__file__).parents[2] / "docs/plans.md").read_text()
    assert expected in page, expected
