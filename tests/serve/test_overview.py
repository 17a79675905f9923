"""What the pages show of runs and repositories."""

from __future__ import annotations

from datetime import date, timedelta

from regbot.journal.opening import open_journal
from regbot.journal.records import RepositoryDay, ScriptRun
from regbot.serve.overview import config_name, repositories, run_of, undo_command

TODAY = date(2026, 11, 23)
APP, API = "registry.example.org/team/app", "registry.example.org/team/api"


def day(repository, ago, deleted, kept=None, freeable=0):
    at = TODAY - timedelta(days=ago)
    return RepositoryDay(repository, at, deleted, kept, freeable, f"run{ago}")


def test_the_repository_with_most_deletes_comes_first():
    shown = repositories([day(API, 3, 1, 4), day(APP, 2, 5, 8), day(APP, 1, 2)], TODAY)
    assert [(line.repository, line.deleted, line.kept, line.run) for line in shown.lines] == [
        (APP, 7, 8, "run1"),
        (API, 1, 4, "run3"),
    ]
    assert (shown.first, shown.last) == (TODAY - timedelta(days=13), TODAY)
    assert [item.deleted for item in shown.total.days] == [1, 5, 2]


def test_bytes_are_unknown_where_those_of_one_day_are():
    shown = repositories([day(APP, 2, 1, freeable=5), day(APP, 1, 1, freeable=None)], TODAY)
    assert shown.lines[0].freeable is None


def test_without_deletes_there_is_nothing_to_show():
    shown = repositories([], TODAY)
    assert (shown.lines, shown.total) == ((), None)


def test_not_more_than_a_year_is_shown():
    shown = repositories([day(APP, 500, 7), day(API, 9, 1)], TODAY)
    assert [line.repository for line in shown.lines] == [API]
    assert (shown.last - shown.first).days == 365


def test_a_clock_that_was_ahead_leaves_no_hole():
    shown = repositories([day(APP, -2, 1)], TODAY)
    assert shown.last == TODAY + timedelta(days=2)


def test_of_very_many_repositories_those_with_most_deletes_are_shown():
    days = [day(f"registry.example.org/r{number:05}", 1, number + 1) for number in range(2100)]
    shown = repositories(days, TODAY)
    assert (len(shown.lines), shown.left_out) == (2000, 100)
    assert shown.lines[0].deleted == 2100
    assert sum(line.chart is not None for line in shown.lines) == 50


def test_a_run_of_a_command_is_found_as_that_of_a_script_is(tmp_path):
    with open_journal(tmp_path) as journal:
        script_run = journal.script_runs.begin(ScriptRun("", "nightly", "server", "/a/b.yml", 5.0))
        run = journal.begin_run(kind="once", config="/a/b.yml", fingerprint="")
        assert run_of(journal, script_run.id) == script_run
        assert (run_of(journal, run.id).kind, run_of(journal, run.id).script) == ("once", "")


def test_the_undo_command_names_no_folder():
    run = ScriptRun("20261129-011500-ab12", "nightly", "server", "/etc/reg bot/my bot.yml", 0.0)
    assert undo_command(run, names_config=False) == "regbot undo 20261129-011500-ab12"
    command = "regbot undo 20261129-011500-ab12 -c 'my bot.yml'"
    assert undo_command(run, names_config=True) == command
    assert config_name("-") == "standard input"
    run = ScriptRun("20261129-011500-ab12", "nightly", "server", "-", 0.0)
    assert undo_command(run, names_config=True) == "regbot undo 20261129-011500-ab12"
