"""Scripts that try to take more time or memory than they may, or to break the border."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import environment
from support.images import make_image, push
from support.memory import measure
from support.scripts import run_script_text

from regbot.errors import ScriptError, ScriptMemory, ScriptTimeout
from regbot.lua import processes, sandbox
from regbot.lua.api.catalogue import interface
from regbot.lua.api.objects import give_head
from regbot.oci.digest import Digest
from regbot.oci.manifest import Head
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("semver.satisfies('1.0.0', ('2||'):rep(4e6) .. '1')", "argument 2 (range): has 12000001"),
        ("semver.parse('1.2.3-' .. ('a.'):rep(5e6) .. 'a')", "argument 1 (text): has 10000007"),
        ("semver.sort({('1'):rep(5000)})", "expected an array of strings of at most 4096"),
        ("time.duration(('1h'):rep(5e6))", "argument 1 (text): has 10000000 characters"),
        ("time.format(0, ('%c'):rep(5e6))", "argument 2 (format): has 10000000 characters"),
        ("reference.new(('a.'):rep(5e6) .. ':5000/x')", "has 10000007 characters, more than 4096"),
        ("reference.tag('a', ('a'):rep(5e6))", "has 5000000 characters, more than 4096"),
        ("tag.ls(('a.'):rep(5e6) .. ':5000/x')", "tag.ls: the arguments have more than 262144"),
        ("tag.ls(('a.'):rep(9e3) .. ':5000/x')", "has 18007 characters, more than 4096"),
        ("image.config(('a.'):rep(9e3) .. ':5000/x')", "a reference of 18007 characters"),
        (
            "json.decode(('['):rep(5e6))",
            "a text of 5000000 bytes is longer than blobLimit, 4194304",
        ),
        ("json.decode(('['):rep(5e5))", "json.decode: the JSON is nested too deep"),
        ("print(('x'):rep(5e6))", "print: the arguments have more than 4456448 bytes"),
        ("blob.put('a', ('x'):rep(5e6))", "blob.put: the arguments have more than 4456448 bytes"),
        ("log('x', {a = ('x'):rep(2e5), b = ('y'):rep(2e5)})", "log: the arguments have more than"),
    ],
)
def test_what_is_too_long_is_an_error_of_the_call(flavour, call, message):
    source = f"\nlocal ok, message = pcall({call.replace('(', ', ', 1)}\nreturn ok, message"
    ran = run_script_text(source, flavour=flavour)
    assert ran.error is None
    assert ran.value[0] is False
    assert ran.value[1].startswith("test:2: ")
    assert message in ran.value[1]


PEAK = """
import sys
sys.path.insert(0, sys.argv[1])
from support.memory import own_peak
from support.scripts import run_script_text
run_script_text("return 1", flavour=sys.argv[2])
before = own_peak()
run_script_text(sys.argv[3], flavour=sys.argv[2], memory=256 * 1024 * 1024)
sys.exit(min(255, (own_peak() - before) // 1024))
"""


@pytest.mark.parametrize(
    "source",
    [
        "local s = ('x'):rep(60 * 1048576) log(s, {a = s, b = s})",
        "pcall(semver.parse, '1.2.3-' .. ('a.'):rep(5e6) .. 'a')",
        "pcall(json.decode, '[' .. ('[],'):rep(13e6) .. '[]]')",
        "pcall(reference.new, ('a.'):rep(3e7) .. ':5000/x')",
        "pcall(tag.ls, ('a.'):rep(3e7) .. ':5000/x')",
        "print(('x'):rep(60 * 1048576))",
        """local list, long = {}, ("x"):rep(4 * 1048576)
           for n = 1, 64 do list[n] = n end
           parallel.map(list, function(n) pcall(blob.put, long .. n, "x") end, {workers = 64})""",
        "error(('x'):rep(60 * 1048576))",
        "return ('x'):rep(60 * 1048576)",
    ],
)
def test_regbot_itself_needs_no_more_memory_for_it(flavour, source, tmp_path):
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", PEAK, tests, flavour, source]
    measured = measure(command, environment(tmp_path))
    assert measured.said == ""
    assert measured.code < 32, "MiB"


@pytest.mark.parametrize("call", ["json.encode(1)", "log('x')", "tostring(reference.new('a'))"])
def test_the_memory_limit_holds_after_a_call(flavour, call):
    source = f"{call} local t = {{}} for i = 1, 7 do t[i] = ('x'):rep(120000000 + i) end"
    ran = run_script_text(source, flavour=flavour, memory=16 * MEBIBYTE)
    assert isinstance(ran.error, ScriptMemory)


def test_what_a_call_brings_in_counts_too(flavour):
    source = """
        local text = "[" .. ("[],"):rep(1e6) .. "[]]"
        local ok, message = pcall(json.decode, text)
        return ok, message, json.decode("[1]")[1]
    """
    ran = run_script_text(source, flavour=flavour, memory=24 * MEBIBYTE)
    assert ran.value[0] is False
    assert ran.value[1].endswith("not enough memory")
    assert ran.value[2] == 1


def test_a_call_in_the_script_s_own_process_ends_at_the_timeout(flavour):
    source = """
        local versions = {}
        for i = 1, 3e5 do versions[i] = "1.2." .. i end
        while true do pcall(semver.sort, versions) end
    """
    ran = run_script_text(source, flavour=flavour, timeout=1.0, memory=256 * MEBIBYTE)
    assert isinstance(ran.error, ScriptTimeout)


def test_a_long_message_is_cut_with_a_note(flavour):
    ran = run_script_text("log(('é'):rep(1e6))", flavour=flavour)
    (message,) = ran.messages
    assert message.text.startswith("éé")
    assert message.text.endswith("é [cut, 2000000 bytes in all]")
    assert len(message.text.encode()) < 66_000


def test_a_long_error_is_cut_with_a_note(flavour):
    ran = run_script_text("error(('x'):rep(1e6))", flavour=flavour)
    assert str(ran.error).endswith("x [cut]")
    assert len(str(ran.error)) < 66_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r'"\ud800"', "json.decode: the JSON has half of a surrogate pair, ud800"),
        (r'"\udc80"', "json.decode: the JSON has half of a surrogate pair, udc80"),
        (r'{"\ud83d\ude00\ude00": 1}', "json.decode: the JSON has half of a surrogate pair, ude00"),
        ("[18446744073709551616]", "json.decode: the JSON has an integer of more than 64 bits"),
        ("9" * 5000, "json.decode: the JSON has an integer of more than 64 bits, 99999"),
        ("Infinity", "json.decode: not JSON: Infinity"),
        ("[1,\n2 3]", "json.decode: not JSON: line 2, column 3"),
    ],
)
def test_odd_json_is_an_ordinary_error(flavour, text, message):
    source = f"\nlocal ok, message = pcall(json.decode, [=[{text}]=])\nreturn ok, message"
    ran = run_script_text(source, flavour=flavour)
    assert ran.value[0] is False
    assert ran.value[1].startswith(f"test:2: {message}")


@pytest.mark.parametrize(
    "source",
    [
        "local function f(n) local c = coroutine.wrap(f) return c(n + 1) end",
        "local function f(n) local c = coroutine.wrap(f) local r = c(n + 1) return r end",
        """local function f(n)
             local ok, message = coroutine.resume(coroutine.create(f), n + 1)
             if not ok then error(message, 0) end
           end""",
    ],
)
def test_coroutines_inside_one_another_are_limited(flavour, source):
    ran = run_script_text(f"{source} return pcall(f, 1)", flavour=flavour)
    assert ran.error is None
    assert ran.value[0] is False
    assert "more than 100 coroutines inside one another" in ran.value[1]


def test_coroutines_beside_one_another_are_not(flavour):
    source = """
        local function tree(n)
          return coroutine.wrap(function()
            if n > 0 then for leaf in tree(n - 1) do coroutine.yield(leaf + 1) end end
            coroutine.yield(0)
          end)
        end
        local sum, all = 0, {}
        for leaf in tree(90) do sum = sum + leaf end
        for i = 1, 5000 do all[i] = tree(0) all[i]() end
        return sum
    """
    assert run_script_text(source, flavour=flavour).value == [4095]


def test_callbacks_inside_one_another_end_in_an_error(flavour):
    source = """
        local function f() return (("x"):gsub("x", function() return (f()) end)) end
        local ok, message = pcall(f)
        return ok, type(message)
    """
    assert run_script_text(source, flavour=flavour).value == [False, "string"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (9, "was killed, by a person or by a system short of memory"),
        (11, "crashed (segmentation fault)"),
        (7, "was ended by signal 7 (bus error)"),
    ],
)
def test_a_crash_says_what_happened(flavour, number, words, monkeypatch):
    begin = processes.subprocess.Popen

    def begin_and_signal(*arguments, **options):
        process = begin(*arguments, **options)
        os.kill(process.pid, number)
        return process

    monkeypatch.setattr(processes.subprocess, "Popen", begin_and_signal)
    ran = run_script_text("while true do end", flavour=flavour)
    assert isinstance(ran.error, ScriptError)
    assert f"test: the process it ran in {words}" in str(ran.error)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nrequire('no-such-module')", "test:2: require: there is no module 'no-such-module': "),
        ("\nrequire('../x')", "test:2: require: module name '../x' is not letters"),
        ("\nrequire(nil)", "test:2: require: expected a string, got a nil"),
        ("\nlog(setmetatable({}, {__tostring = function() return {} end}))", "test:2: "),
        ("\nprint(setmetatable({}, {__tostring = function() return {} end}))", "test:2: "),
        ("\nprint(('x'):rep(5e6))", "test:2: print: the arguments have more than"),
        ("\nlog('x', print)", "test:2: log: a function can't be used here"),
        ("\nlocal ic = {} ic = reference.new('a') ic.x = 1", "test:2: a reference has no field"),
        ("\nlocal x = semver('latest')", "test:2: semver: 'latest' is not a version"),
        ("\ncollectgarbage('stop')", "test:2: collectgarbage: stop is not allowed"),
        ("\ncoroutine.wrap(1)", "test:2: coroutine.create: expected a function of Lua's"),
        ("\ncoroutine.resume(5)", "test:2: coroutine.resume: expected a coroutine, got a number"),
        ("\nload(5)", "test:2: load: expected text or a function that gives text, got a number"),
        ("\nlocal function f() tag.ls(7) end\nf()", "test:2: tag.ls: argument 1 (repo): expected"),
        ("\nlocal x = tag.ls(7)", "test:2: tag.ls: argument 1"),
    ],
)
def test_an_error_is_at_the_script_s_line(flavour, source, message):
    ran = run_script_text(f"{source} local after = 1", flavour=flavour)
    assert isinstance(ran.error, ScriptError)
    assert str(ran.error).startswith(message)
    assert "regbot:" not in str(ran.error)


def test_a_named_pipe_is_no_module(flavour, tmp_path):
    os.mkfifo(tmp_path / "pipe.lua")
    ran = run_script_text("local m = require('pipe')", flavour=flavour, lua_path=(tmp_path,))
    assert "module 'pipe' can't be read: it is a named pipe" in str(ran.error)


def test_a_module_that_requires_itself_is_an_error(flavour, tmp_path):
    (tmp_path / "a.lua").write_text("return require('b')")
    (tmp_path / "b.lua").write_text("local a = require('a') return a")
    ran = run_script_text("local a = require('a')", flavour=flavour, lua_path=(tmp_path,))
    assert str(ran.error) == "b.lua:1: require: module 'a' requires itself"


def test_a_module_of_the_user_wins_over_a_built_in_one(flavour, tmp_path):
    (tmp_path / "json.lua").write_text("return {mine = true}")
    ran = run_script_text(
        "return require('json').mine, require('semver') == semver, json.mine",
        flavour=flavour,
        lua_path=(tmp_path,),
    )
    assert ran.value == [True, True, None]


def test_half_a_surrogate_pair_in_an_answer_is_an_ordinary_error(flavour):
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)
    source = b"\nlocal ok, message = pcall(repo.ls, 'x')\nreturn ok, message"
    program = sandbox.Program("test", source, 64 * MEBIBYTE, flavour)
    results = sandbox.run(program, visible, lambda _call: ("", ["\ud800"]), Stop())
    message = "test:2: repo.ls: the answer has half of a surrogate pair in a text"
    assert results == [False, message]


def test_odd_values_in_a_config_do_not_make_it_unreadable(flavour, tmp_path):
    repo = f"ocidir://{tmp_path}/layout"
    labels = {"half": "a\ud800b", "whole": "\U0001f600", "big": 2**70}
    image = make_image(created="2021-01-01T00:00:00Z", labels=labels)
    push(OciDirStore(Reference.parse(repo)), image, "odd")
    source = """
        local ic = image.config(args.repo .. ":odd")
        local same = tostring(ic:export()) == tostring(ic)
        local labels = ic.Config.Labels
        return ic.Created, labels.half, labels.whole, labels.big == 2^70, same
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": repo})
    assert ran.error is None
    created = "2021-01-01 00:00:00 +0000 UTC"
    assert ran.value == [created, "a\ufffdb", "\U0001f600", True, True]


def test_whatever_is_called_oddly_fails_at_the_script_s_line(flavour, tmp_path):
    repo = f"ocidir://{tmp_path}/layout"
    push(OciDirStore(Reference.parse(repo)), make_image(), "old")
    script = Path(__file__).parent / "hostile" / "odd_arguments.lua"
    ran = run_script_text(
        script.read_bytes(),
        flavour=flavour,
        arguments={"repo": repo},
        work_dir=tmp_path,
        timeout=100,
        dry_run=True,
    )
    assert ran.error is None
    calls, wrong = ran.value
    assert calls > 10_000
    assert wrong in ([], {})


def test_an_odd_media_type_does_not_make_a_head_unreadable(flavour):
    visible = interface({}, memory=64 * MEBIBYTE, document_limit=MEBIBYTE)
    media_type = 'a"b\\'
    given = give_head(Reference.parse("a:b"), Head(media_type, Digest.of(b""), 7))
    source = b"local head = manifest.head('a:b') return head.MediaType, head.Size, tostring(head)"
    program = sandbox.Program("test", source, 64 * MEBIBYTE, flavour)
    results = sandbox.run(program, visible, lambda _call: (given.kind, given.value), Stop())
    assert results[:2] == [media_type, 7]
    assert json.loads(results[2])["mediaType"] == media_type


def test_the_process_of_a_script_begins_with_little():
    code = "import sys, regbot.lua.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    heavy = ("regbot.lua.api", "regbot.lua.binding", "regbot.oci", "regbot.units", "dataclasses")
    assert "regbot.lua.worker" in done.stdout.split()
    assert not [name for name in done.stdout.split() if name.startswith(heavy)]
