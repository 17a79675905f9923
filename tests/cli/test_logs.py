"""Lines of the log, as a program reads them."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.cli.logs import make_log
from regbot.events import Message

PAIR = re.compile(r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"=]+))(?: |$)')
KEYS = st.from_regex(r"[a-z]+", fullmatch=True).map(lambda key: f"field-{key}")


def line_of(form="logfmt", text="done", **fields):
    """The one line that is written for a message, without its end."""
    stream = io.StringIO()
    make_log("info", form, stream)(Message(level="info", text=text, fields=fields))
    (line, rest) = stream.getvalue().split("\n")
    assert rest == ""
    return line


def parsed(line):
    """The fields of a logfmt line; fails on one that is not logfmt from end to end."""
    fields = {}
    start = 0
    while start < len(line):
        pair = PAIR.match(line, start)
        assert pair, line[start:]
        key, quoted, plain = pair.groups()
        fields[key] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        start = pair.end()
    return fields


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        (r"C:\temp", r"C:\temp"),
        (r"C:\my temp", r'"C:\\my temp"'),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31m", r"\x1b[31m"),
        ("größe", "größe"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.25, "0.25"),
    ],
)
def test_a_value_is_quoted_where_it_has_to_be(value, printed):
    assert line_of(value=value).endswith(f" level=INFO msg=done value={printed}")


@given(text=st.text(), fields=st.dictionaries(KEYS, st.text()))
def test_every_logfmt_line_can_be_parsed_into_what_the_json_line_has(text, fields):
    expected = json.loads(line_of("json", text, **fields))
    shown = parsed(line_of("logfmt", text, **fields))
    del expected["time"], shown["time"]
    assert shown == expected


@given(st.text())
def test_a_name_of_a_field_breaks_no_line(name):
    assert {"time", "level", "msg"} <= set(parsed(line_of(**{"field" + name: "a b"})))


def test_a_field_takes_no_place_of_the_line_itself():
    shown = parsed(line_of(text="done", time="1", level="ERROR", msg="forged"))
    assert (shown["level"], shown["msg"]) == ("INFO", "done")


def told(level="info", text="done", **fields):
    """The line of a terminal, without the time."""
    stream = io.StringIO()
    make_log("trace", "terminal", stream)(Message(level, text, fields))
    clock, line = stream.getvalue().rstrip("\n").split(" ", 1)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock)
    return line


def test_a_line_on_a_terminal_is_for_people(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert told(text="hello there") == "hello there"
    assert told(script="clean", digest="sha256:0", image="r.org/a:v1", reason="it is old") == (
        "clean: done r.org/a:v1  it is old"
    )
    assert told("warn", script="clean", repository="r.org/a", digest="sha256:0", seconds=1.5) == (
        "WARN clean: r.org/a: done  digest=sha256:0 seconds=1.5"
    )
    assert told("error", error="no\nluck", detail="really") == "ERROR done  no\\nluck; really"
    assert told("debug", why="a b") == 'DEBUG done  why="a b"'


def test_a_level_has_its_colour_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert told("warn") == "\x1b[33mWARN\x1b[0m done"
    assert told("error") == "\x1b[1;31mERROR\x1b[0m done"
