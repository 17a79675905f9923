"""Events reach every listener, in the order of the listeners."""

from regbot.events import Event, Message, fan_out


def test_every_listener_hears_every_event():
    heard: list[tuple[str, Event]] = []
    emit = fan_out(
        lambda event: heard.append(("first", event)), lambda event: heard.append(("second", event))
    )
    message = Message("info", "hello")
    emit(message)
    assert heard == [("first", message), ("second", message)]
