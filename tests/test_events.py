"""Events reach every listener, in the order of the listeners, with their run and script."""

from regbot.events import Event, InRun, Message, fan_out, in_run, once_each, plain

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
