"""Which lines of a script ran, of those that can, in every Lua there is."""

from contextlib import suppress
from textwrap import dedent

import pytest

from regbot.errors import ScriptError, ScriptTimeout
from regbot.lua import sandbox
from regbot.lua.api.catalogue import interface
from regbot.stopping import Stop

MEBIBYTE = 1024 * 1024


def covered(flavour, text):
    """The lines that ran, and those that can run."""
    lines = {}
    source = dedent(text).strip().encode()
    program = sandbox.Program("it", source, 64 * MEBIBYTE, flavour, covered=lines.update)
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)

    with suppress(ScriptError):
        sandbox.run(program, visible, lambda _call: ("", None), Stop())
    return lines["it"]["ran"], lines["it"]["can"]


@pytest.mark.parametrize(
    ("text", "ran", "missed"),
    [
        ("local a = 1\n-- a comment\n\nreturn a", [1, 4], []),
        ("local a = 1\nif a == 2 then\n  a = 3\nend\nreturn a", [1, 2, 5], [3]),
        ("local function f()\n  return 1\nend\nreturn 2", [3, 4], [2]),
        (
            "local function f()\n  local function g()\n    return 1\n  end\n  return g\nend\nf()",
            [4, 5, 6, 7],
            [3],
        ),
        ("for i = 1, 2 do\n  local a = i\nend\nwhile false do\n  local b = 1\nend", [1, 2], []),
        ("error('fails')\nlocal never = 1", [1], [2]),
        ("local co = coroutine.wrap(function()\n  return 1\nend)\nco()", [2, 4], []),
        ("local ok = pcall(function()\n  error('x')\n  return 1\nend)", [2], [3]),
        ("local text = [[\na\nb]]\nlocal t = {1.5, true, nil, 'x'}\nreturn t, text", [4, 5], []),
    ],
)
def test_lines_that_ran_and_lines_that_did_not(flavour, text, ran, missed):
    lines, can = covered(flavour, text)
    assert set(ran) <= set(lines)
    assert set(lines) <= set(can)
    assert set(missed) <= set(can) - set(lines)


def test_nothing_is_noted_unless_it_is_asked_for(flavour):
    program = sandbox.Program("it", b"return 1", 64 * MEBIBYTE, flavour)
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)
    assert sandbox.run(program, visible, lambda _call: ("", None), Stop()) == [1]


def test_a_script_that_is_noted_still_ends_at_its_timeout(flavour):
    lines = {}
    program = sandbox.Program(
        "it", b"while true do end", 64 * MEBIBYTE, flavour, covered=lines.update
    )
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)
    with pytest.raises(ScriptTimeout):
        sandbox.run(program, visible, lambda _call: ("", None), Stop(timeout=0.3))
    assert lines == {}


def test_the_clock_stands_at_now(flavour):
    text = b"""
    local later = {year = 2021, month = 1, day = 1, hour = 12}
    return os.time(), os.date("!%Y-%m-%d"), os.date("!%Y", 86400), os.time(later) > os.time(),
      time.now(), pcall(os.date, "%"), pcall(os.time, 5)
    """
    program = sandbox.Program("it", text, 64 * MEBIBYTE, flavour, now=1588680000.5)
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)
    found = sandbox.run(program, visible, lambda _call: ("", None), Stop())
    assert found[:5] == [1588680000, "2020-05-05", "1970", True, 1588680000.5]
