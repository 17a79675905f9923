"""``parallel.map``: many items at once, with the results of a plain loop."""

import threading
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scripts import MEMORY, run_script_text

from regbot.errors import NotFound, ScriptError, ScriptMemory, ScriptTimeout, Stopped
from regbot.lua import sandbox
from regbot.lua.api.catalogue import interface
from regbot.stopping import Stop

LONG = 60.0
"""Seconds after which calls that should meet have not."""


@dataclass
class Registry:
    """Answers ``manifest.exists``, and knows how many calls are under way.

    ``together`` calls wait for one another, so fewer at once never end well.
    """

    together: int = 1
    most: int = 0
    under_way: int = 0
    asked: deque = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self):
        self.meeting = threading.Barrier(self.together, timeout=LONG)

    def __call__(self, call):
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        name = call.arguments[0][1]
        self.asked.append(name)
        try:
            self.meeting.wait()
            if name.startswith("missing"):
                raise NotFound(f"{name} is not there")
        finally:
            with self.lock:
                self.under_way -= 1
        return "", True


def run(source, flavour, registry=None, **how):
    """What a script returns; ``registry`` answers its calls."""
    visible = interface({}, memory=MEMORY, document_limit=2**20)
    program = sandbox.Program("test", source.encode(), MEMORY, flavour)
    return sandbox.run(program, visible, registry or Registry(), Stop(timeout=LONG), **how)


def test_results_come_in_the_order_of_the_list(flavour):
    source = """
        local letters = {"a", "b", "c", "d", "e"}
        return parallel.map(letters, function(letter, position)
          manifest.exists(letter)
          return letter .. position, "more"
        end)
    """
    assert run(source, flavour) == [["a1", "b2", "c3", "d4", "e5"]]


def test_an_item_without_a_result_leaves_a_nil_in_its_place(flavour):
    source = """
        local list = {1, 2, 3, 4}
        local results = parallel.map(list, function(n) if n % 2 == 0 then return n end end)
        return results[1], results[2], results[3], results[4]
    """
    assert run(source, flavour) == [None, 2, None, 4]


def test_an_empty_list_has_no_results(flavour):
    assert run("return #parallel.map({}, error)", flavour) == [0]


PLACES = {
    "the function itself": "CALL",
    "pcall": "pcall(function() CALL end)",
    "pcall of a binding": "pcall(manifest.exists, name)",
    "pcall in pcall": "pcall(pcall, function() pcall(function() CALL end) end)",
    "xpcall": "xpcall(function() CALL end, print)",
    "a handler": "xpcall(error, function() CALL end)",
    "a tail call": "return (function() return manifest.exists(name) end)()",
    "a coroutine": "coroutine.wrap(function() CALL end)()",
    "a coroutine that yields": """
        local steps = coroutine.create(function() coroutine.yield(1) CALL coroutine.yield(2) end)
        coroutine.resume(steps) coroutine.resume(steps)""",
    "pcall in a coroutine": "coroutine.wrap(function() pcall(function() CALL end) end)()",
    "parallel.map": "parallel.map({1}, function() CALL end)",
    "a method": "local ref = reference.new(name) assert(ref:tag() == 'latest') CALL",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_calls_overlap_from_wherever_they_are_made(flavour, place):
    registry = Registry(together=8)
    source = f"""
        local names = {{}}
        for n = 1, 16 do names[n] = "name" .. n end
        parallel.map(names, function(name) {place.replace("CALL", "manifest.exists(name)")} end,
          {{workers = 8}})
    """
    run(source, flavour, registry)
    assert sorted(registry.asked) == sorted(f"name{n}" for n in range(1, 17))
    assert registry.most == 8


CROWDED = {
    "table.sort": "table.sort({3, 1, 2}, function(a, b) CALL return a < b end)",
    "string.gsub": "local s = (('x'):gsub('x', function() CALL end))",
    "a metamethod": "local x = setmetatable({}, {__index = function() CALL end}).x",
    "a comparison": """
        local meta = {__eq = function() CALL return true end}
        assert(setmetatable({}, meta) == setmetatable({}, meta))""",
    "tostring": "tostring(setmetatable({}, {__tostring = function() CALL return '' end}))",
    "an iterator": "for _ in coroutine.wrap(function() CALL coroutine.yield(1) CALL end) do end",
    "pcall in table.sort": """
        table.sort({2, 1}, function(a, b)
          local ok, text = pcall(manifest.exists, "missing")
          assert(not ok and text:find("missing is not there"), text)
          CALL
          return a < b
        end)""",
    "parallel.map in table.sort": """
        table.sort({2, 1}, function(a, b)
          assert(parallel.map({5, 6}, function(n) CALL return n end)[2] == 6)
          return a < b
        end)""",
    "require": "assert(require('json') == json)",
}


@pytest.mark.parametrize("place", CROWDED.values(), ids=CROWDED.keys())
def test_a_call_works_where_lua_can_not_yield(flavour, place):
    """The other items wait there, at most; some of these places LuaJIT can yield from."""
    source = f"""
        local done = parallel.map({{"a", "b", "c"}}, function(name)
          local before = manifest.exists(name)
          local function call() assert(manifest.exists(name)) end
          {place.replace("CALL", "call()")}
          return name
        end)
        return done
    """
    assert run(source, flavour, Answers()) == [["a", "b", "c"]]


class Answers(Registry):
    """Answers every binding."""

    def __call__(self, call):
        if call.name == "require":
            return "", {"problem": "not in a folder"}
        return super().__call__(call)


def test_no_more_items_are_begun_at_once_than_there_are_workers(flavour):
    registry = Registry()
    source = """
        local begun, most, list = 0, 0, {}
        for n = 1, 50 do list[n] = "name" .. n end
        parallel.map(list, function(name)
          begun = begun + 1
          most = math.max(most, begun)
          manifest.exists(name)
          manifest.exists(name)
          begun = begun - 1
        end, {workers = WORKERS})
        return most
    """
    assert run(source.replace("WORKERS", "3"), flavour, registry) == [3]
    assert registry.most <= 3
    assert run(source.replace("{workers = WORKERS}", "{}"), flavour) == [16]
    assert run(source.replace(", {workers = WORKERS}", ""), flavour) == [16]


def test_maps_inside_one_another_have_64_calls_under_way_at_most(flavour):
    registry = Registry(together=64)
    source = """
        local outer, inner = {}, {}
        for n = 1, 8 do outer[n], inner[2 * n - 1], inner[2 * n] = n, n, n end
        return parallel.map(outer, function(m)
          return #parallel.map(inner, function(n) return manifest.exists(m .. "-" .. n) end)
        end)
    """
    assert run(source, flavour, registry) == [[16] * 8]
    assert registry.most == 64


def test_maps_without_end_are_an_error(flavour):
    source = "local function f() parallel.map({1}, f) end f()"
    with pytest.raises(ScriptError, match=r"parallel\.map: more than 100 inside one another"):
        run(source, flavour)


def test_the_error_is_that_of_the_first_item_that_fails(flavour):
    """Whichever fails first: with more at once it is still the one of a plain loop."""
    source = """
        local begun = {}
        local list = {"a", "b", "missing-c", "d", "missing-e"}
        for n = 6, 100 do list[n] = "more" end
        local ok, text = pcall(parallel.map, list, function(name, position)
          begun[position] = "begun"
          if name == "missing-c" then manifest.exists("slow") end
          manifest.exists(name)
          begun[position] = "ended"
        end, {workers = 5})
        return ok, text, begun[4], begun[5], begun[100] == nil
    """
    ok, text, *begun = run(source, flavour)
    assert not ok
    assert text.endswith("parallel.map: item 3: test:8: missing-c is not there")
    assert begun == ["ended", "begun", True]


def test_an_error_has_the_line_of_the_map_and_that_of_the_call(flavour):
    source = """
        local list = {"a", "missing"}
        local results = parallel.map(list, function(name)
          local there = manifest.exists(name)
          return there
        end)
        return results
    """
    with pytest.raises(ScriptError) as failure:
        run(source, flavour)
    text = "test:3: parallel.map: item 2: test:4: missing is not there"
    assert str(failure.value) == text


def test_the_line_is_known_where_a_binding_is_the_function_itself(flavour):
    source = "\nlocal results = parallel.map({'missing'}, manifest.exists)\nreturn results"
    with pytest.raises(ScriptError) as failure:
        run(source, flavour)
    assert str(failure.value) == "test:2: parallel.map: item 1: test:2: missing is not there"


def test_an_error_that_is_a_table_comes_as_it_is(flavour):
    source = """
        local ok, problem = pcall(parallel.map, {1}, function() error({code = 7}) end)
        return ok, problem.code
    """
    assert run(source, flavour) == [False, 7]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("parallel.map()", "argument 1 (list): expected an array, got a nil"),
        ("parallel.map('x', print)", "argument 1 (list): expected an array, got a string"),
        ("parallel.map({a = 1}, print)", "expected an array, got a table with the key a"),
        ("parallel.map({1, nil, 3}, print)", "expected an array, got one with nil in between"),
        ("parallel.map({1})", "argument 2 (fn): expected a function, got a nil"),
        ("parallel.map({1}, 'x')", "argument 2 (fn): expected a function, got a string"),
        ("parallel.map({1}, print, {worker = 1})", "unknown option 'worker' (known: workers)"),
        ("parallel.map({1}, print, {workers = 0})", "a whole number from 1 to 64, got a number, 0"),
        ("parallel.map({1}, print, {workers = 65})", "from 1 to 64, got a number, 65"),
        ("parallel.map({1}, print, {workers = 1.5})", "from 1 to 64, got a number, 1.5"),
        ("parallel.map({1}, print, {workers = 'x'})", "from 1 to 64, got a string"),
        ("parallel.map({1}, print, 'x')", "argument 3 (options): expected a table, got a string"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(flavour, call, message):
    ran = run_script_text(f"\n{call}", flavour=flavour)
    text = str(ran.error)
    assert text.startswith("test:2: parallel.map: ")
    assert message in text
    assert "\n" not in text


def test_a_body_can_not_yield_out_of_itself(flavour):
    source = """
        local co = coroutine.create(function()
          return parallel.map({1}, function()
            local ok, text = pcall(coroutine.yield, 1)
            local inner = coroutine.wrap(function() coroutine.yield(2) end)()
            return text .. inner
          end)[1]
        end)
        return coroutine.resume(co)
    """
    ok, text = run(source, flavour)
    assert ok
    assert text.endswith("attempt to yield outside a coroutine2")


def test_a_coroutine_that_waits_can_not_be_resumed_by_another_body(flavour):
    source = """
        local shared = coroutine.create(function() return manifest.exists("a") end)
        return parallel.map({1, 2}, function(n)
          if n == 1 then return select(2, coroutine.resume(shared)) end
          local status = coroutine.status(shared)
          local ok, text = coroutine.resume(shared)
          return status .. ": " .. tostring(ok) .. " " .. text
        end)
    """
    assert run(source, flavour) == [[True, "normal: false cannot resume normal coroutine"]]


def test_bodies_may_require_the_same_module_at_once(flavour, tmp_path):
    (tmp_path / "slow.lua").write_text("log('loaded') return {value = 7}")
    source = """
        return parallel.map({1, 2, 3}, function() return require("slow").value end)
    """
    ran = run_script_text(source, flavour=flavour, lua_path=(tmp_path,))
    assert ran.error is None
    assert ran.value == [[7, 7, 7]]
    assert ran.logged == ["loaded"]


def test_a_variable_that_is_not_listed_is_warned_of_once(flavour):
    ran = run_script_text(
        "parallel.map({1, 2, 3, 4, 5, 6}, function() os.getenv('SECRET') end)",
        flavour=flavour,
        environment={"SECRET": "x"},
    )
    assert len(ran.messages) == 1


ENDLESS = {
    "body": "while true do end",
    "pcall": "while true do pcall(function() while true do end end) end",
    "nested pcall": "local function f() pcall(f) while true do pcall(f) end end f()",
    "coroutine": "while true do coroutine.wrap(function() while true do end end)() end",
    "calls": "while true do pcall(manifest.exists, 'x') end",
    "map": "while true do pcall(parallel.map, {1}, function() while true do end end) end",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_map_ends_at_the_timeout(flavour, source):
    text = f"pcall(parallel.map, {{1, 2, 3}}, function() {source} end) while true do end"
    ran = run_script_text(text, flavour=flavour, timeout=0.5)
    assert isinstance(ran.error, ScriptTimeout)
    assert "ran longer than its timeout of 0.5s" in str(ran.error)


def test_a_map_ends_at_the_memory_limit(flavour):
    source = """
        parallel.map({1, 2, 3}, function()
          local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end
        end)
    """
    ran = run_script_text(source, flavour=flavour, memory=16 * 1024 * 1024)
    assert isinstance(ran.error, ScriptMemory)


def test_a_stop_ends_all_bodies_after_the_calls_under_way(flavour):
    stop = Stop()
    registry = Registry(together=4)
    ended = []

    def answer(call):
        registry(call)
        stop.ask()
        ended.append(call)
        return "", True

    source = """
        parallel.map({1, 2, 3, 4}, function(n)
          manifest.exists(tostring(n))
          while true do pcall(manifest.exists, "more") end
        end)
    """
    visible = interface({}, memory=MEMORY, document_limit=2**20)
    program = sandbox.Program("test", source.encode(), MEMORY, flavour)
    with pytest.raises(Stopped):
        sandbox.run(program, visible, answer, stop)
    assert len(ended) == 4
    assert "more" not in registry.asked


def test_a_fault_of_regbot_s_own_ends_the_run(flavour):
    def answer(call):
        raise ZeroDivisionError(call.name)

    with pytest.raises(ZeroDivisionError):
        run("parallel.map({1, 2, 3}, function() manifest.exists('x') end)", flavour, answer)


STEPS = {
    "call": 'manifest.exists("x")',
    "fail": 'error("no " .. position)',
    "missing": 'manifest.exists("missing" .. position)',
    "caught": 'note(pcall(error, "caught " .. position))',
    "caught missing": 'note(pcall(manifest.exists, "missing" .. position))',
    "caught call": 'note(pcall(function() manifest.exists("y") return position end))',
    "coroutine": """
        local step = coroutine.wrap(function()
          for n = 1, 3 do manifest.exists("c") coroutine.yield(n * position) end
        end)
        note(step(), step())""",
    "iterator": """
        for n in coroutine.wrap(function() manifest.exists("i") coroutine.yield(position) end) do
          note(n)
        end""",
    "sort": """
        local sorted = {3, position, 2}
        table.sort(sorted, function(a, b) manifest.exists("s") return a < b end)
        note(unpack(sorted))""",
    "map": """
        note(unpack(parallel.map({1, 2, 3}, function(n)
          manifest.exists("m")
          return n * position
        end)))""",
    "map that fails": """
        local ok, text = pcall(parallel.map, {1, 2, 3}, function(n)
          manifest.exists(n > 1 and "missing" .. n or "m")
        end)
        note(ok, (text:gsub("test:%d+: ", "")))""",
    "nothing": "noted = nil",
}

BOTH = """
    local items = ITEMS
    local steps = {}
    STEPS
    local function work(item, position)
      local notes = {}
      local function note(...)
        for n = 1, select("#", ...) do notes[#notes + 1] = tostring((select(n, ...))) end
      end
      for _, step in ipairs(item) do steps[step](position, note) end
      if #item ~= 1 then return table.concat(notes, " ") end
    end
    local function plain(list, f)
      local results = {}
      for position, item in ipairs(list) do
        local ok, result = pcall(f, item, position)
        if not ok then error("parallel.map: item " .. position .. ": " .. result, 0) end
        results[position] = result
      end
      return results
    end
    local function told(map, ...)
      local ok, results = pcall(map, ...)
      if not ok then return "error " .. (results:gsub("test:%d+: ", "")) end
      local parts = {}
      for position = 1, #items do parts[position] = tostring(results[position]) end
      return table.concat(parts, "|")
    end
    return told(plain, items, work), told(parallel.map, items, work, {workers = WORKERS})
"""


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    items=st.lists(st.lists(st.sampled_from(sorted(STEPS)), max_size=4), max_size=12),
    workers=st.integers(1, 64),
)
def test_a_map_gives_what_a_plain_loop_gives(flavour, items, workers):
    steps = "\n".join(
        f"steps[{name!r}] = function(position, note) local noted {text} end"
        for name, text in STEPS.items()
    )
    lists = ", ".join("{" + ", ".join(map(repr, item)) + "}" for item in items)
    source = BOTH.replace("ITEMS", f"{{{lists}}}").replace("STEPS", steps)
    plain, parallel = run(source.replace("WORKERS", str(workers)), flavour)
    assert parallel == plain
