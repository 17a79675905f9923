"""Reports as Markdown, CSV, JSON, files, and on a terminal."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.reports import BIDI, END, HOSTILE, hostile_report, report, row

from regbot.errors import StorageError, UsageError
from regbot.events import RunResult
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.outcome import Outcome
from regbot.report import shown
from regbot.report.as_csv import as_csv, harmless
from regbot.report.as_html import as_html, bars
from regbot.report.as_json import as_json
from regbot.report.as_markdown import as_markdown, inert
from regbot.report.build import row_of
from regbot.report.files import check_suffix, write_reports
from regbot.report.model import RepositoryLine
from regbot.report.terminal import print_summary, print_table

FORMS = {".json": as_json, ".html": as_html, ".md": as_markdown, ".csv": as_csv}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_holds_a_character_that_hides_or_reorders(form):
    text = form(hostile_report())
    assert "\u202e" not in text
    assert "\x07" not in text
    assert [one for one in text if not one.isprintable() and one not in "\r\n"] == []


@pytest.mark.parametrize("form", [as_html, as_markdown])
def test_markup_from_a_registry_is_escaped(form):
    text = form(hostile_report())
    assert HOSTILE not in text
    assert "<img" not in text
    assert text.count("<script") == (1 if form is as_html else 0)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_bytes_that_are_no_text_can_be_reported(form):
    found = form(report(row("a", reason="caf\udce9 \ud800")))
    found.encode()
    assert "\\udce9" in found or "\\xe9" in found


def test_a_row_of_markdown_keeps_its_cells():
    text = as_markdown(hostile_report())
    (cells,) = [line for line in text.splitlines() if line.startswith("| done |")]
    assert cells.replace(r"\|", "").count("|") == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("[x](https://e.org)", r"\[x\]\(https\://e.org\)"),
        ("www.e.org", r"www\.e.org"),
        ("@everyone", "@<!-- -->everyone"),
        ("r.org/a:v1@sha256:0", "r.org/a:v1@sha256:0"),
    ],
)
def test_markdown_shows_texts_as_they_are(text, expected):
    assert inert(text) == expected


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_a_spreadsheet_would_compute_is_made_harmless(start):
    assert harmless(f"{start}1+1").startswith("'")
    found = as_csv(report(row("a", reason=f"{start}cmd|' /C calc'!A0")))
    cells = [cell for line in csv.reader(io.StringIO(found)) for cell in line]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


def test_csv_has_scripts_repositories_and_actions_with_plain_numbers():
    failed = (RunResult("clean", "failed", "clean:1: no"),)
    lines = list(csv.DictReader(io.StringIO(as_csv(report(row("a"), runs=failed)))))
    assert [line["line"] for line in lines] == ["script", "repository", "action"]
    script, repository, action = lines
    assert (script["status"], script["detail"]) == ("failed", "clean:1: no")
    assert (repository["deleted"], repository["could_be_freed_bytes"]) == ("1", "7000000")
    assert (action["size_bytes"], action["age_seconds"]) == ("5000000", "3456000")


def test_json_can_be_read_by_programs():
    line = RepositoryLine("clean", "r/a", None, 1, None, bytes_only=None, unknown=("why",))
    found = json.loads(
        as_json(report(row("a", age_seconds=None, created=None), repositories=(line,)))
    )
    assert found["schemaVersion"] == 1
    assert found["started"] == "2025-06-15T15:06:28Z"
    assert found["dryRun"] is False
    assert found["counts"] == {"done": 1}
    assert found["repositories"][0]["bytesOnly"] is None
    assert found["repositories"][0]["unknown"] == ["why"]
    assert found["rows"][0]["created"] is None
    assert found["rows"][0]["ageSeconds"] is None


def test_json_keeps_what_a_registry_said_to_the_letter():
    assert json.loads(as_json(hostile_report()))["rows"][0]["reason"].endswith(BIDI)


def test_several_files_are_written_and_replaced_whole(tmp_path):
    paths = [tmp_path / f"report{suffix}" for suffix in (*FORMS, ".HTML")]
    paths[0].write_text("the last run's")
    write_reports(report(row("a")), paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert json.loads(paths[0].read_text())["rows"][0]["reference"].endswith(":a")
    assert paths[1].read_text() == paths[-1].read_text()


def test_a_link_stays_one_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    write_reports(report(), [link])
    assert link.is_symlink()
    assert json.loads(target.read_text())["rows"] == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("report.pdf", ".json, .html, .md, .csv"),
        ("report", ".json, .html, .md, .csv"),
    ],
)
def test_a_suffix_that_names_no_form_is_found_before_the_run(tmp_path, name, why):
    with pytest.raises(UsageError, match=why) as caught:
        check_suffix(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(StorageError, match="No space left"):
        write_reports(report(), [path])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_summary_tells_what_failed_what_could_be_freed_and_what_is_not_known():
    line = RepositoryLine("clean", "r.org/a", 5, 2, 3, bytes_only=2048, unknown=("a\u202eb",))
    other = RepositoryLine("clean", "r.org/b", 5, 1, None, bytes_only=None)
    failed = (RunResult("mirror", "failed", "mirror:1: [bold]no[/]"),)
    stream = io.StringIO()
    print_summary(report(row("x"), repositories=(line, other), runs=failed), stream)
    a, b, run, total, unknown = stream.getvalue().splitlines()
    assert a.split() == ["clean", "r.org/a", "5", "2", "3", "2.00", "KiB"]
    assert b.split()[-1] == "unknown"
    assert run == "mirror failed: mirror:1: [bold]no[/]"
    assert "could free up to 2.00 KiB, and an unknown amount in one repository more" in total
    assert unknown == "unknown: a\\u202eb (r.org/a)"


def test_the_table_shows_one_line_an_action_whatever_is_in_it():
    action = DeleteTag(Reference.parse("r.org/a:v1"), "two\nlines \udce9 \ud800 [red]x")
    stream = io.StringIO()
    outcome = Outcome("clean\u202e", action, "failed", None, "no")
    print_table([row_of(outcome, 0.0)], "the end", stream)
    cells, last = stream.getvalue().splitlines()
    assert cells.split("\t") == [
        "clean\\u202e", "delete tag", "failed", "r.org/a:v1", "",
        "two\\nlines \\xe9 \\ud800 [red]x; no",
    ]  # fmt: skip
    assert last == "the end"


def test_the_chart_sums_up_repositories_beyond_the_longest_bars():
    lines = tuple(
        RepositoryLine("clean", f"r.org/{number}", 1, 1, 0, bytes_only=number)
        for number in range(1, 41)
    )
    found = bars(report(repositories=lines))
    assert len(found) == 21
    assert (found[0].name, found[0].size) == ("r.org/40", "40 B")
    assert (found[-1].name, found[-1].size) == ("20 others", "210 B")
    assert max(bar.width for bar in found) == 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "new"), (300, "5 minutes"), (86400 * 31, "31 days"), (86400 * 900, "2 years")],
)
def test_ages_are_rounded_down(seconds, text):
    assert shown.age(seconds) == text


def test_a_plain_text_is_shown_as_it_is():
    assert shown.visible("größe 日本 😀 a\\b") == "größe 日本 😀 a\\b"
    assert shown.moment(END) == "2025-06-15T15:06:40Z"
