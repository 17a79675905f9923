"""The shapes of charts, and the words that say the same."""

from __future__ import annotations

from datetime import date

from regbot.journal.records import RepositoryDay, ScriptRun
from regbot.serve.charts import days_chart, sparkline

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 10)
APP = "registry.example.org/team/app"


def run(took, status="done", started=1000.0):
    ended = None if took is None else started + took
    return ScriptRun("", "nightly", "server", "", started, ended=ended, status=status)


def day(number, deleted, kept=None):
    return RepositoryDay(APP, date(2026, 11, number), deleted, kept)


def test_without_a_run_that_ended_there_is_no_sparkline():
    assert sparkline([]) is None
    assert sparkline([run(None, "running")]) is None


def test_a_sparkline_has_the_newest_run_on_the_right_and_the_longest_as_the_highest():
    chart = sparkline([run(None, "running"), run(2.0), run(8.0, "failed"), run(4.0)])
    assert [bar.kind for bar in chart.bars] == ["done", "failed", "done"]
    assert [bar.height / chart.height for bar in chart.bars] == [0.5, 1.0, 0.25]
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.width
    assert chart.text == "3 runs took 2s to 8s, the last one 2s; 1 failed"


def test_a_sparkline_shows_no_more_than_the_last_runs():
    chart = sparkline([run(1.0)] * 20 + [run(100.0)] * 20)
    assert len(chart.bars) == 30
    assert chart.bars[0].x >= 0


def test_runs_that_took_no_time_can_be_seen_nevertheless():
    assert sparkline([run(0.0)]).text == "One run, which took 0s"
    for chart in (sparkline([run(0.0)]), sparkline([run(0.0), run(900.0)])):
        assert all(bar.height > 1 for bar in chart.bars)


def test_a_clock_that_was_set_back_makes_no_bar_upside_down():
    assert all(bar.height > 0 for bar in sparkline([run(-5.0), run(1.0)]).bars)


def test_each_day_has_its_place():
    chart = days_chart([day(1, 4), day(10, 2), day(11, 99)], FIRST, LAST)
    assert chart.width == 100.0
    assert [(bar.x, bar.height) for bar in chart.bars] == [(0.0, 100.0), (90.0, 50.0)]
    assert chart.text == (
        "From 2026-11-01 to 2026-11-10, 6 tags were deleted on 2 days,"
        " most of them on 2026-11-01 (4)."
    )


def test_what_stayed_is_a_line_from_when_it_is_known():
    chart = days_chart([day(3, 1), day(5, 1, 40), day(8, 1, 20)], FIRST, LAST)
    (line,) = chart.lines
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert [x for x, _ in points] == [40.0, 70.0, 70.0, 100.0]
    assert points[0][1] == points[1][1] < points[2][1] == points[3][1]
    assert all(0 <= y <= chart.height for _, y in points)
    assert chart.text.endswith(". 20 stayed at the end.")


def test_that_nothing_stayed_is_a_line_at_the_bottom():
    (line,) = days_chart([day(1, 5, 0)], FIRST, LAST).lines
    assert line == "0,100 100,100"


def test_days_without_deletes_are_told_too():
    chart = days_chart([], FIRST, LAST)
    assert (chart.bars, chart.lines) == ((), ())
    assert chart.text == "Nothing was deleted from 2026-11-01 to 2026-11-10."


def test_one_tag_on_one_day():
    text = days_chart([day(2, 1)], FIRST, LAST).text
    assert text == "From 2026-11-01 to 2026-11-10, 1 tag was deleted on one day."
