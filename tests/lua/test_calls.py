"""The border between a script's process and regbot when many calls cross it at once."""

import io
import threading

import pytest

from regbot.lua import wire
from regbot.lua.answering import Answering
from regbot.lua.calls import MOST_AT_ONCE, Call, Calls

LONG = 60.0


class Peer:
    """Regbot as a script's process sees it: answers each call of a frame with its number."""

    def __init__(self):
        self.frames = []
        self._sent = b""
        self._answers = io.BytesIO()

    def write(self, frame):
        message = wire.decode(frame[wire.HEADER_SIZE :])
        ((name, calls),) = message.items()
        self.frames.append((name, len(frame), [number for number, *_ in calls]))
        replies = [wire.content_of([number, {"kind": "", "value": number}]) for number, *_ in calls]
        left = self._answers.read()
        self._answers = io.BytesIO(left + wire.frame_of("answers", replies))

    def flush(self):
        pass

    def read(self, size):
        return self._answers.read(size)


def calls_over(peer, largest=2**20, clock=lambda: 0.0):
    return Calls(peer, peer, largest=largest, ended=lambda _why: None, clock=clock)


def test_calls_that_wait_share_a_frame():
    peer = Peer()
    calls = calls_over(peer)
    numbers = [calls.post(Call("a", [["", n]])) for n in range(10)]
    assert peer.frames == []
    taken = [calls.take() for _ in numbers]
    assert [number for number, _ in taken] == numbers
    assert [(name, sent) for name, _, sent in peer.frames] == [("calls", numbers)]


def test_a_call_alone_says_that_nothing_else_is_done_meanwhile():
    peer = Peer()
    calls = calls_over(peer)
    assert calls.ask(Call("a", []))["value"] == 1
    assert peer.frames[0][0] == "call"


def test_a_call_is_not_held_back_for_long():
    """Its frame goes before the next body runs, though other answers are there already."""
    peer = Peer()
    now = [0.0]
    calls = calls_over(peer, clock=lambda: now[0])
    for n in range(3):
        calls.post(Call("a", [["", n]]))
    calls.take()
    calls.post(Call("b", []))
    now[0] = 1.0
    calls.take()
    assert [sent for _, _, sent in peer.frames] == [[1, 2, 3], [4]]
    assert peer.frames[1][0] == "calls"


def test_no_more_than_64_calls_are_under_way():
    peer = Peer()
    calls = calls_over(peer)
    for n in range(150):
        calls.post(Call("a", [["", n]]))
    for _ in range(150):
        calls.take()
    assert [len(sent) for _, _, sent in peer.frames] == [64, 64, 22]


def test_calls_under_way_have_no_more_bytes_than_the_largest_call():
    peer = Peer()
    calls = calls_over(peer, largest=10_000)
    for n in range(9):
        calls.post(Call("a", [["", "x" * (4_000 if n != 4 else 50_000)]]))
    for _ in range(9):
        calls.take()
    assert [len(sent) for _, _, sent in peer.frames] == [2, 2, 1, 2, 2]
    assert all(size < 10_100 for name, size, sent in peer.frames if sent != [5])


class Script:
    """A script's process as regbot sees it: what it is sent."""

    def __init__(self, reply=lambda _call: wire.content_of({"kind": "", "value": 1})):
        self.answering = Answering(reply, self.send)
        self.sent = []
        self.came = threading.Event()

    def send(self, frame):
        answers = wire.decode(frame[wire.HEADER_SIZE :])["answers"]
        self.sent += [number for number, _ in answers]
        self.came.set()


def test_a_process_that_sends_more_calls_than_it_may_is_refused():
    go = threading.Event()

    def reply(_call):
        go.wait(LONG)
        return wire.content_of({"kind": "", "value": 1})

    script = Script(reply)
    calls = [(number, Call("a", [])) for number in range(MOST_AT_ONCE)]
    assert script.answering.begin(calls, 100, waits=False)
    assert not script.answering.begin([(99, Call("a", []))], 100, waits=False)
    go.set()
    script.answering.close()
    assert sorted(script.sent) == list(range(MOST_AT_ONCE))


def test_calls_under_way_together_are_bound_in_size():
    go = threading.Event()

    def reply(_call):
        go.wait(LONG)
        return wire.content_of({"kind": "", "value": 1})

    script = Script(reply)
    half = wire.MAX_FRAME // 2 + 1
    assert script.answering.begin([(1, Call("a", []))], half, waits=False)
    assert not script.answering.begin([(2, Call("a", []))], half, waits=False)
    go.set()
    script.answering.close()


def test_after_its_end_no_call_begins():
    script = Script()
    script.answering.close()
    script.answering.begin([(1, Call("a", []))], 10, waits=True)
    assert script.sent == []


def test_replies_are_split_where_a_frame_can_not_hold_them(monkeypatch):
    monkeypatch.setattr(wire, "MAX_FRAME", 3000)
    parts = list(wire.fitting([b"x" * 900] * 5))
    assert [len(part) for part in parts] == [2, 2, 1]
    with pytest.raises(ValueError, match="more than a call can carry"):
        wire.content_of("x" * 3000)
