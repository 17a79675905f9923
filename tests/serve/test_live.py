"""What is told of runs that are going, and who is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.reports import REPOSITORY, report, row

from regbot.errors import StorageError
from regbot.events import InRun, Message, RunMissed
from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun
from regbot.report.model import RepositoryLine
from regbot.run.service_events import ScriptRunEnded, ScriptRunStarted
from regbot.serve.live import MOST_LINES, MOST_READERS, Live

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z


@pytest.fixture
def live():
    return Live(lambda: NOW)


@pytest.fixture
def journal(tmp_path):
    with open_journal(tmp_path) as journal:
        yield journal


def a_run(name="20261123-175501-ab12"):
    return ScriptRun(name, "nightly", "server", "/regbot.yml", NOW)


def say(live, text, run="20261123-175501-ab12", level="info", **fields):
    live.listen(InRun(run, "nightly", Message(level, text, fields)))


def texts(lines):
    return [line["msg"] for line in lines]


def news_of(reader):
    news = []
    while (item := reader.next(0)) is not None:
        news.append(item)
    return news


def test_lines_of_a_run_are_kept_while_it_is_going_and_those_of_others_are_not(live):
    say(live, "before")
    live.listen(ScriptRunStarted(a_run()))
    say(live, "hello", number=3)
    say(live, "too much", level="debug")
    say(live, "of another", run="20261123-175501-ffff")
    live.listen(Message("info", "of the server"))
    run, page = live.run(a_run().id)
    assert run == a_run()
    (line,) = page.log
    assert (line["time"], line["msg"], line["number"]) == ("2026-11-23T17:55:01.000Z", "hello", 3)


def test_the_last_lines_are_kept_and_long_texts_are_cut(live):
    live.listen(ScriptRunStarted(a_run()))
    for number in range(MOST_LINES + 5):
        say(live, f"line {number}")
    say(live, "x" * 100_000)
    lines = live.run(a_run().id)[1].log
    assert len(lines) == MOST_LINES
    assert lines[0]["msg"] == "line 6"
    assert len(lines[-1]["msg"]) < 3000


def test_at_its_end_a_run_leaves_its_page_in_the_journal(live, journal):
    live.keep_in(journal, pytest.fail)
    run = journal.script_runs.begin(replace(a_run(), id=""))
    live.listen(ScriptRunStarted(run))
    say(live, "hello", run=run.id)
    live.listen(ScriptRunEnded(replace(run, status="done", ended=NOW), report(row("old"))))
    assert live.run(run.id) is None
    page = journal.pages.of(run.id)
    assert texts(page.log) == ["hello"]
    assert "registry.example.org/team/app:old" in page.report


def test_what_stays_is_noted_for_live_runs_alone(live, journal):
    live.keep_in(journal, pytest.fail)
    lines = tuple(
        RepositoryLine(script, REPOSITORY, 10, 1, kept, bytes_only=size)
        for script, kept, size in (("a", 9, 5), ("b", 8, 7))
    )
    for dry_run in (True, False):
        run = journal.script_runs.begin(replace(a_run(), id=""))
        journal.begin_run(kind="server", config="", fingerprint="", run_id=run.id)
        live.listen(ScriptRunStarted(run))
        kept = report(row("old"), dry_run=dry_run, repositories=lines)
        live.listen(ScriptRunEnded(run, kept))
        query = "SELECT repository, kept, freeable FROM remainder WHERE run = ?"
        left = journal._history._database.rows(query, (run.id,))
        assert left == ([] if dry_run else [(REPOSITORY, 8, 12)])


def test_without_a_journal_the_last_runs_are_remembered(live):
    for number in range(25):
        run = a_run(f"run{number}")
        live.listen(ScriptRunStarted(run))
        say(live, f"hello {number}", run=run.id)
        live.listen(ScriptRunEnded(replace(run, status="done")))
    assert live.run("run4") is None
    run, page = live.run("run24")
    assert (run.status, texts(page.log)) == ("done", ["hello 24"])


class Full:
    """Pages on a full disk."""

    @property
    def pages(self):
        return self

    def keep(self, *_):
        raise StorageError("the disk is full")


def test_a_page_that_cannot_be_kept_is_told_and_remembered(live):
    told = []
    live.keep_in(Full(), told.append)
    live.listen(ScriptRunStarted(a_run()))
    live.listen(ScriptRunEnded(a_run()))
    assert [event.text for event in told] == [
        "the page of run 20261123-175501-ab12 is not kept: the disk is full"
    ]
    assert live.run(a_run().id) is not None


def test_a_report_that_cannot_be_shown_is_told_and_the_run_has_ended(live):
    told = []
    live.keep_in(None, told.append)
    live.listen(ScriptRunStarted(a_run()))
    reader = live.look(a_run().id)
    live.listen(ScriptRunEnded(a_run(), report(row("old"), started="never")))
    assert "is not kept: internal error: " in told[0].text
    assert live.run(a_run().id) is None
    assert news_of(reader)[-1].has_ended


def test_a_reader_gets_what_was_there_and_what_comes(live):
    live.listen(ScriptRunStarted(a_run()))
    say(live, "one")
    reader = live.look(a_run().id)
    assert texts(reader.lines) == ["one"]
    assert reader.next(0) is None
    say(live, "two")
    live.listen(ScriptRunEnded(a_run()))
    line, end = news_of(reader)[:2]
    assert line.line["msg"] == "two"
    assert end.has_ended


def test_a_reader_waits_for_what_comes(live):
    live.listen(ScriptRunStarted(a_run()))
    reader = live.look(a_run().id)
    thread = threading.Timer(0.05, lambda: say(live, "late"))
    thread.start()
    assert reader.next(60).line["msg"] == "late"
    thread.join()


def test_a_run_that_is_not_going_has_ended_for_its_reader(live):
    assert live.look("20261123-175501-ffff").next(0).has_ended


def test_who_looks_at_all_scripts_is_told_of_changes_and_of_many_once(live):
    reader = live.look("")
    live.listen(ScriptRunStarted(a_run()))
    say(live, "hello")
    live.listen(RunMissed("weekly", datetime.fromtimestamp(NOW, UTC), "its time was missed"))
    live.listen(ScriptRunEnded(a_run()))
    (change,) = news_of(reader)
    assert (change.line, change.has_ended) == (None, False)


def test_a_slow_reader_loses_the_oldest_lines_and_is_told_how_many(live):
    live.listen(ScriptRunStarted(a_run()))
    reader = live.look(a_run().id)
    for number in range(600):
        say(live, f"line {number}")
    live.listen(ScriptRunEnded(a_run()))
    lost, *lines, end = news_of(reader)[:502]
    assert lost.lost == 100
    assert [item.line["msg"] for item in lines] == [f"line {number}" for number in range(100, 600)]
    assert end.has_ended


def test_there_are_few_readers_at_a_time(live):
    readers = [live.look("") for _ in range(MOST_READERS)]
    assert live.look("") is None
    live.look_away(readers[3])
    assert live.look("") is not None


def test_a_missed_run_is_remembered_until_the_script_runs(live):
    missed = RunMissed("nightly", datetime.fromtimestamp(NOW, UTC), "its time was missed")
    live.listen(missed)
    assert live.missed == {"nightly": missed}
    live.listen(ScriptRunStarted(a_run()))
    assert live.missed == {}
