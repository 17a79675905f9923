"""What is shown while a command runs, by what was heard so far."""

import io

import pytest
from rich.console import Console

from regbot.cli.live import rendered
from regbot.cli.progress import Progress
from regbot.events import (
    BytesAhead,
    BytesMoved,
    Delayed,
    Exchanged,
    RepositoryEnded,
    RepositoryStarted,
    RunResult,
    RunStarted,
    ScriptEnded,
    ScriptStarted,
    StepsAhead,
    TagRead,
    TagsListed,
)
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.outcome import ActionDone, ActionStarted, Outcome

HOST = "registry.example.org"
APP = f"{HOST}/team/app"


def request():
    return Exchanged(HOST, "GET", f"https://{APP}", 200, 0.1)


def begun(number, script="clean"):
    return ActionStarted(script, DeleteTag(Reference.parse(f"{APP}:v{number}")))


def ended(number, status="done", script="clean", **more):
    action = DeleteTag(Reference.parse(f"{APP}:v{number}"))
    return ActionDone(Outcome(script, action, status), status == "planned", **more)


class Show:
    """A run that is heard, and what is shown of it."""

    def __init__(self):
        self.now = 1000.0
        self.progress = Progress(lambda: self.now)

    def hear(self, *events, after=0.0):
        self.now += after
        for event in events:
            self.progress(event)

    def at(self, width=80, **terminal):
        console = Console(file=io.StringIO(), width=width, height=24, **terminal)
        return "\n".join(rendered(self.progress.lines(), console))


@pytest.fixture
def show():
    return Show()


def loop(show):
    """A script that lists and looks, and plans for its guard."""
    show.hear(RunStarted("once", scripts=2), ScriptStarted("nightly clean-up"))
    show.hear(TagsListed("nightly clean-up", APP, 3000))
    for number in range(210):
        show.hear(request(), TagRead("nightly clean-up"), after=0.02)
        if number % 5 == 0:
            show.hear(ended(number, "planned", "nightly clean-up", is_trial=True))
    return show


def many_repositories(show):
    show.hear(
        RunStarted("once", scripts=1), ScriptStarted("old"), StepsAhead("old", "repository", 40)
    )
    for number in range(12):
        show.hear(RepositoryStarted("old", f"{HOST}/team/app{number}"), request(), after=1.0)
        show.hear(TagsListed("old", f"{HOST}/team/app{number}", 100))
        show.hear(RepositoryEnded("old", f"{HOST}/team/app{number}"), after=1.0)
    show.hear(RepositoryStarted("old", f"{HOST}/team/" + "long/" * 20 + "name"))
    return show


def one_repository(show):
    show.hear(
        RunStarted("plan", scripts=1), ScriptStarted("old"), StepsAhead("old", "repository", 1)
    )
    show.hear(
        RepositoryStarted("old", APP), TagsListed("old", APP, 600), StepsAhead("old", "tag", 500)
    )
    for _ in range(125):
        show.hear(request(), TagRead("old"), after=0.1)
    return show


def applied(show):
    show.hear(RunStarted("apply"), StepsAhead("", "action", 1200), begun(0))
    for number in range(60):
        show.hear(
            begun(number), request(), ended(number, "failed" if number == 7 else "done"), after=0.1
        )
    show.hear(begun(60))
    return show


def at_once(show):
    show.hear(RunStarted("once", scripts=9))
    for number in range(5):
        show.hear(ScriptStarted(f"script {number}"), TagsListed(f"script {number}", APP, 10))
    show.hear(ScriptEnded(RunResult("script 1", "done")), ScriptStarted("two\nlines"))
    show.hear(Delayed("docker.io", 90.0, "429 Too Many Requests"), after=61.0)
    return show


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("story", [loop, many_repositories, one_repository, applied, at_once])
def test_what_is_shown(show, snapshot, story, width):
    text = story(show).at(width)
    assert all(len(line) < width for line in text.splitlines())
    assert text == snapshot


@pytest.mark.parametrize("story", [loop, applied])
def test_it_has_colours_where_the_terminal_has(show, snapshot, story):
    terminal = {"force_terminal": True, "color_system": "standard"}
    assert story(show).at(**terminal) == snapshot


def test_a_terminal_without_utf_8_has_another_bar(show):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"), width=80)
    assert rendered(applied(show).progress.lines(), console)[0].startswith("apply  #...")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_without_utf_8_a_line_is_no_longer_than_the_terminal(show, encoding):
    """What it can't show becomes an escape, and a longer one is cut."""
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding), width=30)
    show.hear(
        ScriptStarted("été 夜間の掃除", dry_run=False),
        RepositoryStarted("été 夜間の掃除", f"registry.example.org/{'x' * 50}"),
    )
    lines = rendered(show.progress.lines(), console)
    assert "\n".join(lines).encode(encoding)
    assert all(len(line) < 30 for line in lines)


def test_the_bar_is_there_from_the_start_with_the_item_at_hand(show):
    show.hear(RunStarted("apply"), StepsAhead("", "action", 3), begun(1))
    assert "0 of 3 actions" in show.at()
    assert f"delete tag {APP}:v1" in show.at()


def test_requests_are_those_of_the_last_seconds(show):
    show.hear(RunStarted("once"), *[request()] * 100)
    assert "0 requests/s" in show.at()
    show.hear(after=2.0)
    assert "50 requests/s" in show.at()
    for _ in range(10):
        show.hear(after=1.0)
        shown = show.at()
    assert "0 requests/s" in shown


def test_a_wait_is_told_as_long_as_it_lasts(show):
    show.hear(RunStarted("once"), Delayed("docker.io", 0.2, "retry"))
    assert "waiting" not in show.at()
    show.hear(Delayed("docker.io", 5.0, "rate limit"))
    assert "waiting for docker.io: rate limit" in show.at()
    show.hear(after=6.0)
    assert "waiting" not in show.at()


def test_a_low_terminal_shows_the_last_lines(show):
    console = Console(file=io.StringIO(), width=80, height=3)
    (line,) = rendered(applied(show).progress.lines(), console)
    assert "requests/s" in line


def test_what_was_planned_for_a_guard_is_carried_out_then(show):
    loop(show)
    assert "42 planned" in show.at()
    show.hear(StepsAhead("nightly clean-up", "action", 42), begun(1, "nightly clean-up"))
    assert "planned" not in show.at()
    assert "0 of 42 actions" in show.at()


MEBIBYTE = 1024 * 1024


class TestBytesOfCopies:
    def test_a_bar_tells_how_far_and_how_fast(self):
        show = Show()
        show.hear(BytesAhead(100 * MEBIBYTE))
        show.at()
        show.hear(BytesMoved(20 * MEBIBYTE), after=4.0)
        shown = show.at()
        assert "copying" in shown
        assert "20.0 MiB of 100 MiB, 5.00 MiB/s, about 15s left" in shown

    def test_what_is_found_later_is_added(self):
        show = Show()
        show.hear(BytesAhead(50 * MEBIBYTE), BytesMoved(10 * MEBIBYTE), BytesAhead(50 * MEBIBYTE))
        assert "10.0 MiB of 100 MiB" in show.at()

    def test_nothing_is_shown_where_all_is_there(self):
        show = Show()
        show.hear(BytesAhead(MEBIBYTE), BytesMoved(MEBIBYTE))
        assert "copying" not in show.at()
