"""Law 4: a script can't get out, and can't outlive its timeout or its memory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.scripts import run_script_text

from regbot.errors import ScriptError, ScriptMemory, ScriptTimeout, Stopped
from regbot.lua.flavours import available_flavours
from regbot.stopping import Stop


def test_both_flavours_are_tested_where_the_wheel_has_them():
    assert "lua51" in available_flavours()


@pytest.mark.parametrize(
    "name",
    [
        "io",
        "debug",
        "package",
        "python",
        "jit",
        "ffi",
        "newproxy",
        "dofile",
        "loadfile",
        "module",
        "os.execute",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.setlocale",
        "os.tmpname",
        "string.dump",
    ],
)
def test_what_leads_out_is_not_there(flavour, name):
    ran = run_script_text(f"return {name} == nil, _G['{name}'] == nil", flavour=flavour)
    assert ran.value == [True, True]


def test_every_environment_of_a_function_is_the_cleaned_one(flavour):
    source = """
        local function clean(t) return t.io == nil and t.debug == nil and t.python == nil end
        local all = clean(getfenv(0)) and clean(getfenv(1)) and clean(_G)
        for _, f in pairs({print, tag.ls, reference.new, coroutine.wrap, xpcall, load}) do
          local ok, env = pcall(getfenv, f)
          all = all and (not ok or clean(env))
        end
        return all
    """
    assert run_script_text(source, flavour=flavour).value == [True]


def test_setfenv_gives_no_function_of_regbots(flavour):
    source = """
        local here, given, callers = getfenv(1), {}, {}
        local function look()
          for level = 1, 20 do
            local ok, f = pcall(function() return setfenv(level + 2, here) end)
            if ok then given[f] = true end
          end
        end
        callers[1] = look
        callers[2] = function() tostring(setmetatable({}, { __tostring = look })) end
        callers[3] = function() print(setmetatable({}, { __tostring = look })) end
        callers[4] = function()
          local key = setmetatable({}, { __tostring = look })
          reference.new("example.org/app:1")[key] = 1
        end
        callers[5] = function() load(look) end
        callers[6] = function() parallel.map({ 1 }, look) end
        callers[7] = function() coroutine.wrap(look)() end
        for _, call in ipairs(callers) do
          given[call] = nil
          pcall(call)
          given[call] = nil
        end
        given[look] = nil
        local others = 0
        for f in pairs(given) do others = others + 1 end
        return others, (pcall(setfenv, print, {}))
    """
    ran = run_script_text(source, flavour=flavour)
    assert ran.value == [1, False]  # the script itself


def test_setfenv_sets_the_environment_of_a_scripts_functions(flavour):
    source = """
        local function shown() return shown_here end
        local same = setfenv(shown, { shown_here = "by function" }) == shown
        local function by_level()
          setfenv(1, { shown_here = "by level" })
          return shown_here
        end
        local function caller()
          local function callee() setfenv(2, { shown_here = "by caller" }) end
          callee()
          return shown_here
        end
        return same, shown(), by_level(), caller(), (pcall(setfenv, 500, {})), (pcall(setfenv))
    """
    ran = run_script_text(source, flavour=flavour)
    assert ran.value == [True, "by function", "by level", "by caller", False, False]


def test_bytecode_is_not_loaded(flavour):
    for start in ("\\27LJ", "\\27Lua"):
        ran = run_script_text(f"return loadstring('{start}')", flavour=flavour)
        assert ran.value == [None, "load: bytecode is not allowed"]


def test_text_is_loaded(flavour):
    source = """
        local pieces = {"return ", "40 + 2"}
        local position = 0
        local chunk = load(function() position = position + 1 return pieces[position] end)
        return chunk(), loadstring("return 7")()
    """
    assert run_script_text(source, flavour=flavour).value == [42, 7]


def test_the_metatables_of_objects_are_closed(flavour):
    source = """
        local ref = reference.new("example.org/app:1")
        local ok = pcall(setmetatable, ref, {})
        return getmetatable(ref), ok
    """
    assert run_script_text(source, flavour=flavour).value == [False, False]


ENDLESS = {
    "loop": "while true do end",
    "pcall": "while true do pcall(function() while true do end end) end",
    "nested pcall": "local function f() pcall(f) while true do pcall(f) end end f()",
    "coroutine": """
        while true do
          coroutine.resume(coroutine.create(function() while true do end end))
        end""",
    "wrapped coroutine": """
        while true do
          pcall(coroutine.wrap(function() while true do end end))
        end""",
    "handler": """
        while true do
          xpcall(function() while true do end end, function() while true do end end)
        end""",
    "calls": "while true do pcall(reference.new, 'a') end",
    "metamethod": """
        local t = setmetatable({}, {__index = function(t, k) while true do end end})
        while true do pcall(function() return t.x end) end""",
    "tostring": """
        local t = setmetatable({}, {__tostring = function() while true do end end})
        while true do pcall(print, t) end""",
    "sort": "table.sort({3, 2, 1}, function() while true do end end)",
    "substitution": "('x'):gsub('x', function() while true do end end)",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_script_ends_at_its_timeout(flavour, source):
    ran = run_script_text(source, flavour=flavour, timeout=0.3)
    assert isinstance(ran.error, ScriptTimeout)
    assert "ran longer than its timeout of 0.3s" in str(ran.error)
    assert str(ran.error).startswith("test:")


def test_a_pattern_that_backtracks_for_ever_ends_too(flavour):
    source = "return (('a'):rep(30)):rep(2000):find(('a*'):rep(30) .. 'b')"
    ran = run_script_text(source, flavour=flavour, timeout=0.2)
    assert isinstance(ran.error, ScriptTimeout)


def test_the_line_that_ran_too_long_is_named(flavour, monkeypatch):
    monkeypatch.setattr("regbot.lua.sandbox._GRACE", 60.0)  # on a slow machine too
    ran = run_script_text("local x = 1\n\nwhile true do end", flavour=flavour, timeout=0.2)
    assert str(ran.error).startswith("test:3: ")


GREEDY = {
    "table": "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "string": "local s = 'x' while true do s = s .. s end",
    "rep": "return #('x'):rep(2^30)",
    "recursion": """
        local function f(n) return 1 + f(n + 1) + #tostring(n) end
        pcall(f, 1)
        local t = {}
        while true do t[#t + 1] = ('y'):rep(1000) .. #t end""",
}


@pytest.mark.parametrize("source", GREEDY.values(), ids=GREEDY.keys())
def test_a_script_ends_at_its_memory_limit(flavour, source):
    ran = run_script_text(source, flavour=flavour, memory=16 * 1024 * 1024)
    assert isinstance(ran.error, ScriptMemory)
    assert str(ran.error).startswith("test: used more than its memory of 16.0 MiB (")


def test_calls_work_where_memory_is_all_but_used_up(flavour):
    source = """
        local hoard = {}
        pcall(function() while true do hoard[#hoard + 1] = ('x'):rep(100) .. #hoard end end)
        local full = select(2, pcall(reference.new, 'example.org/app:1'))
        hoard = nil
        for n = 1, 20000 do end -- garbage is collected now and then
        local freed = reference.new('example.org/app:1')
        return tostring(full), tostring(freed)
    """
    ran = run_script_text(source, flavour=flavour, memory=8 * 1024 * 1024)
    assert ran.error is None
    assert ran.value[0] in ("example.org/app:1", "not enough memory")
    assert ran.value[1] == "example.org/app:1"


def test_scripts_do_not_see_each_other(flavour):
    run_script_text("string.leak = 1; _G.leak = 2; tag.ls = nil", flavour=flavour)
    ran = run_script_text("return string.leak, leak, type(tag.ls)", flavour=flavour)
    assert ran.value == [None, None, "function"]


def test_a_syntax_error_names_script_and_line(flavour):
    ran = run_script_text("local a = 1\nlocal = 2", flavour=flavour)
    assert isinstance(ran.error, ScriptError)
    assert str(ran.error).startswith("test:2: ")


def test_an_error_names_script_and_line(flavour):
    ran = run_script_text("\nerror 'no such luck'", flavour=flavour)
    assert str(ran.error) == "test:2: no such luck"
    ran = run_script_text("\n\nlocal t = nil\nprint(t.x)", flavour=flavour)
    assert str(ran.error).startswith("test:4: ")


def test_an_error_that_is_no_text_is_shown_all_the_same(flavour):
    assert "table" in str(run_script_text("error({code = 7})", flavour=flavour).error)


def test_only_listed_names_of_the_environment_answer(flavour):
    ran = run_script_text(
        "return os.getenv('A'), os.getenv('SECRET'), os.getenv('SECRET'), os.getenv('B'),"
        " os.getenv('UNSET')",
        flavour=flavour,
        env=("A", "B"),
        environment={"A": "1", "SECRET": "hunter2"},
    )
    assert ran.value == ["1", None, None, None, None]
    (warning,) = ran.messages
    assert warning.level == "warn"
    assert 'SECRET, which is set but not listed: add `env: ["A", "B", "SECRET"]`' in warning.text
    assert "hunter2" not in str(ran)


def test_strings_are_bytes(flavour):
    source = b"local s = 'a\\0\\255\xc3\xa9\xff' log(s) return s, #s"
    ran = run_script_text(source, flavour=flavour)
    assert ran.value[0].encode("utf-8", "surrogateescape") == b"a\0\xff\xc3\xa9\xff"
    assert ran.value[1] == 6
    assert ran.logged == [ran.value[0]]


def test_arguments_arrive_as_a_table(flavour):
    ran = run_script_text(
        "return args.days, args.list[2], args.deep.x, args.missing, args.on",
        flavour=flavour,
        arguments={"days": 30, "list": ["a", "b"], "deep": {"x": 1.5}, "on": True, "none": None},
    )
    assert ran.value == [30, "b", 1.5, None, True]


def test_a_stop_ends_a_script_at_once(flavour):
    stop = Stop()
    results = []

    def work():
        results.append(run_script_text("while true do end", flavour=flavour, stop=stop))

    thread = threading.Thread(target=work)
    thread.start()
    stop.ask()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert isinstance(results[0].error, Stopped)


ORPHAN = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from support.scripts import run_script_text

begin = subprocess.Popen.__init__

def announced(self, *arguments, **options):
    begin(self, *arguments, **options)
    print(self.pid, flush=True)

subprocess.Popen.__init__ = announced
run_script_text("while true do end", flavour=sys.argv[2], timeout=None)
"""


def test_a_script_goes_when_regbot_is_killed(flavour):
    tests = str(Path(__file__).parents[1])
    bot = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, tests, flavour], stdout=subprocess.PIPE, text=True
    )
    worker = int(bot.stdout.readline())
    bot.kill()
    bot.communicate()
    for _ in range(300):
        if not is_running(worker):
            return
        threading.Event().wait(0.1)
    os.kill(worker, 9)
    pytest.fail("the script's process is still there")


def is_running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_no_call_can_carry_is_named(flavour):
    ran = run_script_text("tag.ls(print)", flavour=flavour)
    assert str(ran.error) == "test:1: tag.ls: a function can't be used here"


def test_a_table_that_holds_itself_is_refused(flavour):
    ran = run_script_text("local t = {} t.t = t log('x', t)", flavour=flavour)
    assert "nested deeper" in str(ran.error)
