"""``/live``: what a reader is sent, and what readers can't do to the server."""

from __future__ import annotations

import json
import socket
import time

import pytest
import requests
from support.sites import listening

from regbot.events import InRun, Message
from regbot.journal.records import ScriptRun
from regbot.run.service_events import ScriptRunEnded, ScriptRunStarted
from regbot.serve.live import MOST_READERS

RUN = ScriptRun("20261123-175501-ab12", "nightly", "server", "/regbot.yml", 1_795_456_501.0)
STREAM = f"/live?run={RUN.id}"


@pytest.fixture
def place():
    with listening() as place:
        place.site.live.listen(ScriptRunStarted(RUN))
        yield place


def say(place, text, **fields):
    place.site.live.listen(InRun(RUN.id, "nightly", Message("info", text, fields)))


@pytest.fixture
def stream(place):
    """Opens streams, and closes them at the end."""
    begun = []

    def stream(path=STREAM):
        session = requests.Session()
        session.trust_env = False
        begun.append(session)
        return session.get(place.url + path, stream=True, timeout=30)

    yield stream
    for session in begun:
        session.close()


def events(answer):
    """The events of a stream: name and data."""
    name = ""
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        word, _, value = line.partition(": ")
        if word == "event":
            name = value
        elif word == "data":
            yield name, json.loads(value)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stream_has_the_lines_so_far_each_that_comes_and_the_end(place, stream):
    say(place, "before")
    answer = stream()
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    told = events(answer)
    name, lines = next(told)
    assert (name, [line["text"] for line in lines]) == ("lines", ["before"])
    say(place, "a\nline </script>", path="/etc/regbot/secrets.yml")
    name, line = next(told)
    assert (name, line["text"], line["level"]) == ("line", "a\\nline </script>", "INFO")
    assert line["more"] == "path=.../secrets.yml"
    place.site.live.listen(ScriptRunEnded(RUN))
    assert list(told) == [("ended", None)]


def test_a_run_that_has_ended_ends_its_stream(stream):
    assert list(events(stream("/live?run=20261123-175501-ffff"))) == [
        ("lines", []),
        ("ended", None),
    ]


def test_a_change_anywhere_is_told_to_those_who_look_at_all(place, stream):
    answer = stream("/live")
    until(lambda: place.site.live._readers)
    place.site.live.listen(ScriptRunEnded(RUN))
    assert next(events(answer)) == ("changed", None)


def test_one_too_many_is_refused_until_another_is_gone(place, stream):
    answers = [stream() for _ in range(MOST_READERS)]
    assert stream().status_code == 503
    answers[0].close()

    def is_free():
        say(place, "is anybody there?")
        return len(place.site.live._readers) < MOST_READERS

    until(is_free)
    assert stream().status_code == 200


def test_other_pages_are_answered_while_as_many_look_as_may(place, stream):
    answers = [stream() for _ in range(MOST_READERS)]
    assert all(next(events(answer)) == ("lines", []) for answer in answers)
    assert place.get("/").status_code == 200


def test_a_reader_who_does_not_read_keeps_nobody_waiting(place):
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: place.site.live._readers)
        for number in range(20_000):
            say(place, f"line {number} {'x' * 1500}")
        (reader,) = place.site.live._readers
        assert len(reader._waiting) <= 500
        assert place.get("/healthz").text == "ok\n"


def test_streams_end_with_the_server():
    with listening() as place:
        place.site.live.listen(ScriptRunStarted(RUN))
        answer = requests.get(place.url + STREAM, stream=True, timeout=30)
        told = events(answer)
        assert next(told) == ("lines", [])
    assert list(told) == []
