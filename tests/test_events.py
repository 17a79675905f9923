"""Events reach every listener, in the order of the listeners, with their run and script."""

from collections.abc import Callable

import pytest

from regbot.events import (
    Emit,
    Event,
    Hearing,
    InRun,
    Message,
    Spared,
    TagRead,
    bare,
    fan_out,
    in_run,
    kinds_of,
    once_each,
    plain,
)

MESSAGE = Message("info", "hello")


def test_every_listener_hears_every_event():
    heard: list[tuple[str, Event]] = []
    emit = fan_out(
        lambda event: heard.append(("first", event)), lambda event: heard.append(("second", event))
    )
    emit(MESSAGE)
    assert heard == [("first", MESSAGE), ("second", MESSAGE)]


def test_an_event_is_told_with_its_run_and_its_script_at_once():
    heard: list[Event] = []
    run = in_run(heard.append, run="20261129-011530-a1b2")
    script = in_run(run, script="clean")
    script(MESSAGE)
    run(MESSAGE)
    assert heard == [
        InRun("20261129-011530-a1b2", "clean", MESSAGE),
        InRun("20261129-011530-a1b2", "", MESSAGE),
    ]


def test_what_is_nearer_to_an_event_knows_its_script_better():
    heard: list[Event] = []
    in_run(in_run(heard.append, "1", "all"), "2", "clean")(MESSAGE)
    assert heard == [InRun("2", "clean", MESSAGE)]


def test_a_plain_listener_hears_what_happened_alone():
    heard: list[Event] = []
    in_run(plain(heard.append), "1", "clean")(MESSAGE)
    plain(heard.append)(MESSAGE)
    assert heard == [MESSAGE, MESSAGE]


def test_a_general_message_is_told_once_whichever_script_it_comes_from():
    heard: list[Event] = []
    emit = once_each(heard.append)
    general = Message("warn", "the clock is wrong", is_general=True)
    for script in ("a", "b"):
        in_run(emit, "1", script)(general)
        in_run(emit, "1", script)(MESSAGE)
    assert heard == [
        InRun("1", "a", general),
        InRun("1", "a", MESSAGE),
        InRun("1", "b", MESSAGE),
    ]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda emit: emit,
        lambda emit: in_run(emit, "1", "clean"),
        lambda emit: in_run(in_run(emit, "1"), script="clean"),
        plain,
        once_each,
        lambda emit: once_each(in_run(plain(emit), "1")),
        lambda emit: fan_out(emit, Hearing(lambda _: None, frozenset({Spared}))),
    ],
)
def test_a_listener_hears_what_it_is_for_and_nothing_else(wrapped: Callable[[Emit], Emit]):
    heard: list[Event] = []
    emit = wrapped(Hearing(lambda event: heard.append(bare(event)), frozenset({Message})))
    for event in (TagRead("clean"), MESSAGE, Spared("cache")):
        emit(event)
    assert heard == [MESSAGE]
    assert TagRead not in (kinds_of(emit) or ())


def test_one_listener_that_hears_everything_is_told_everything():
    heard: list[Event] = []
    few = Hearing(lambda _: None, frozenset({Message}))
    emit = in_run(fan_out(few, plain(heard.append)), "1")
    emit(TagRead("clean"))
    assert heard == [TagRead("clean")]
    assert kinds_of(emit) is None
