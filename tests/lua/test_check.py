"""What is found in a script that is not run: each mistake at its place, and nothing else."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.examples import EXAMPLES, RECIPES
from support.scripts import run_script_text

from regbot.cli.reading import script_reader
from regbot.lua.api.catalogue import BINDINGS
from regbot.lua.check.mistakes import required_count
from regbot.lua.finding import LuaText

READER = script_reader()
ROOT = EXAMPLES.parent
SCRIPTS = Path(__file__).parent / "scripts"


def found(source: str | bytes, *, folder: Path | None = None, guarded: bool = False) -> list[str]:
    """The findings of a script, each as ``[file:]line:column: [warning: ]text``."""
    text = source.encode() if isinstance(source, str) else source
    return [
        f"{Path(f.file).name + ':' if f.file else ''}{f.line}:{f.column}: "
        f"{'warning: ' if f.is_warning else ''}{f.text}"
        for f in READER(LuaText(text, (folder or EXAMPLES,), guarded))
    ]


UNKNOWN = "is not defined"
NAME_HINT = "define it with local {0} = ..., or correct its name"
LABEL = (
    "a label that is absent is nil, which can't be compared (test it first: if {0} and {0} < ...)"
)
VALUE = (
    "a value that is unknown is nil, which can't be compared (test it first: if {0} and {0} < ...)"
)
LOOP = (
    "{} in a loop over all tags, with no condition and no guard"
    " (add guard: {{maxDeletes: 100}} to the config, or an if around it)"
)

MISTAKES = {
    # members of the API
    "tag.delet(args.ref)": f"1:5: tag.delet {UNKNOWN} (did you mean tag.delete?)",
    "\n  local x = image.Config(args.ref)": (
        f"2:19: image.Config {UNKNOWN} (did you mean image.config?)"
    ),
    "pcall(tag.delet, args.ref)": f"1:11: tag.delet {UNKNOWN} (did you mean tag.delete?)",
    "local delete = tag.delet": f"1:20: tag.delet {UNKNOWN} (did you mean tag.delete?)",
    "local t = tag t.lst('a/b')": f"1:17: tag.lst {UNKNOWN} (did you mean tag.ls?)",
    "_G.tag.lst('a/b')": f"1:8: tag.lst {UNKNOWN} (did you mean tag.ls?)",
    'tag["lst"]("a/b")': f"1:5: tag.lst {UNKNOWN} (did you mean tag.ls?)",
    'local json = require "lunajson" json.decod("1")': (
        f"1:38: json.decod {UNKNOWN} (did you mean json.decode?)"
    ),
    "string.formatt('%d', 1)": f"1:8: string.formatt {UNKNOWN} (did you mean string.format?)",
    "tag.purge_everything()": (
        f"1:5: tag.purge_everything {UNKNOWN} (regbot lua-api lists all functions)"
    ),
    "os.execute('ls')": f"1:4: os.execute {UNKNOWN} (scripts start no programs)",
    "local n = table.unpack({1})": f"1:17: table.unpack {UNKNOWN} (in Lua 5.1 it is unpack)",
    "manifest.get(args.ref):confg()": "1:24: a manifest has no method confg (did you mean config?)",
    "local m = manifest.get(args.ref) m:config().Config.Labels.x = 1 m:remove()": (
        "1:67: a manifest has no method remove (its methods: config, delete, descriptor, export,"
        " get, head, put, ratelimit, ratelimitWait)"
    ),
    # globals
    "tagg.ls('a/b')": f"1:1: tagg {UNKNOWN} (did you mean tag?)",
    "local ref = 'a/b:c'\ntag.delete(reff)": f"2:12: reff {UNKNOWN} (did you mean ref?)",
    "for _, t in ipairs(zzz) do end": f"1:20: zzz {UNKNOWN} ({NAME_HINT.format('zzz')})",
    "local x = zzz.a": f"1:11: zzz {UNKNOWN} ({NAME_HINT.format('zzz')})",
    "return zzz .. 'a'": f"1:8: zzz {UNKNOWN} ({NAME_HINT.format('zzz')})",
    "do local a = 1 end log(a)": f"1:24: a {UNKNOWN} ({NAME_HINT.format('a')})",
    "repeat local done = true until done print(done) done()": (
        f"1:49: done {UNKNOWN} ({NAME_HINT.format('done')})"
    ),
    "io.open('x')": f"1:1: io {UNKNOWN} (scripts have no files)",
    "é = 1\nlocal s = 'é' tagg.ls(s)": f"2:15: tagg {UNKNOWN} (did you mean tag?)",
    # arguments
    "tag.ls()": "1:1: tag.ls needs 1 argument, and is given none (write tag.ls(repo, [options]))",
    "image.copy 'a/b:c'": (
        "1:1: image.copy needs 2 arguments, and is given 1 (write image.copy(src, dst, [options]))"
    ),
    "local copy = image.copy copy('a/b:c')": (
        "1:25: image.copy needs 2 arguments, and is given 1 (write image.copy(src, dst, [options]))"
    ),
    "blob.head('a/b@c'):put()": (
        "1:1: blob:put needs 1 argument, and is given none (write blob:put(content))"
    ),
    "parallel.map({})": (
        "1:1: parallel.map needs 2 arguments, and is given 1"
        " (write parallel.map(list, fn, [options]))"
    ),
    # options
    "tag.ls('a/b', {limt = 3})": "1:16: tag.ls: unknown option 'limt' (did you mean limit?)",
    "tag.ls('a/b', {\n  ['first'] = 3})": (
        "2:3: tag.ls: unknown option 'first' (known: limit, last, include, exclude)"
    ),
    "image.copy('a/b', 'c/d', {digestTag = true, referrers = true})": (
        "1:27: image.copy: unknown option 'digestTag' (did you mean digestTags?)"
    ),
    "manifest.get('a/b'):delete({unlesstagged = true})": (
        "1:29: manifest:delete: unknown option 'unlesstagged' (did you mean unlessTagged?)"
    ),
    # modules
    "local h = require('helper')": (
        f"1:11: there is no module 'helper' (add helper.lua to {EXAMPLES})"
    ),
    "require '../x'": (
        "1:1: module name '../x' is not letters, digits, _ and - with dots between"
        " (correct the name)"
    ),
    # warnings
    "local cfg = image.config(args.ref)\nif cfg.config.Labels['x'] < args.limit then end": (
        f"2:4: warning: {LABEL.format('cfg.config.Labels[' + chr(39) + 'x' + chr(39) + ']')}"
    ),
    "local function old(cfg) return cfg.config.Labels.x < args.limit end": (
        f"1:32: warning: {LABEL.format('cfg.config.Labels.x')}"
    ),
    "local label = image.config(args.ref).Config.Labels[args.label]\nreturn args.limit > label": (
        f"2:21: warning: {LABEL.format('label')}"
    ),
    "return image.created(args.ref) < 5": (
        f"1:8: warning: {VALUE.format('image.created(args.ref)')}"
    ),
    "local m = manifest.get(args.ref) return m:config().Created < 'x'": (
        f"1:41: warning: {VALUE.format('m:config().Created')}"
    ),
    "created = image.created(args.ref) log(created) return created >= 5": (
        f"1:55: warning: {VALUE.format('created')}"
    ),
    "for _, name in ipairs(tag.ls(args.repo)) do\n  tag.delete(args.repo .. ':' .. name)\nend": (
        f"2:3: warning: {LOOP.format('tag.delete')}"
    ),
    "local t = tag.ls(args.repo) table.sort(t)\nfor i = 1, #t do pcall(tag.delete, t[i]) end": (
        f"2:18: warning: {LOOP.format('tag.delete')}"
    ),
    "parallel.map(tag.ls(args.repo), function(t) image.delete(args.repo .. t) end)": (
        f"1:45: warning: {LOOP.format('image.delete')}"
    ),
    "for _, t in pairs(tag.ls('a/b')) do local m = manifest.get(t) m:delete() end": (
        f"1:63: warning: {LOOP.format('manifest:delete')}"
    ),
}


@pytest.mark.parametrize(("source", "finding"), MISTAKES.items())
def test_a_mistake_is_found_at_its_place(source, finding):
    assert found(source) == [finding]


FINE = [
    # names of the script's own
    "local tag = {delet = print} tag.delet('x')",
    "local function f(image) return image.anything() end f({})",
    "for _, tag in ipairs({}) do log(tag:sub(1), tag.x) end",
    "function clean(x) return x end clean(1)",
    "total = 0 for i = 1, 3 do total = total + i end",
    "_G.limit = 5 return limit + 1",
    "_G['limit'] = 5 return limit + 1",
    "for name in pairs({a = 1}) do _G[name] = 1 end return a.b",
    "setfenv(1, {x = {}}) x.y()",
    "loadstring('z = {}')() z.a()",
    "local M = {} function M:new(x) self.x = x return self end return M:new(1).y.z",
    "repeat local q = args.x until q.y",
    "local function f(...) local a, b = ... return a.x, b.y end",
    "local f f = function(n) return f(n - 1) end",
    # added to what is there
    "function string.trim(s) return s end return string.trim(' x ')",
    "tag.clean = function() end tag.clean()",
    "for k, v in pairs({}) do tag[k] = v end tag.clean()",
    "local function extend(t) t.clean = print end extend(tag) tag.clean()",
    "setmetatable(tag, {__index = function() return print end}) tag.clean()",
    "log = log or print log.anything('x')",
    # asked for before it is used
    "local unpack = table.unpack or unpack return unpack({1})",
    "if table.unpack then table.unpack({1}) end",
    "if utf8 and utf8.char then utf8.char(1) end",
    "local debugging = DEBUG if debugging then log('x') end",
    "if _G.DEBUG then log('x') end",
    "print(type(zzz), tostring(zzz))",
    # functions passed on, and calls that may be long enough
    "pcall(tag.delete, args.ref)",
    "local ok = pcall(tag.ls)",
    "image.copy(args.a:gsub('x', 'y'))",
    "image.copy(unpack(args.pair))",
    "local function f(...) image.copy(...) end",
    "log() print() semver(1, 2, 3) json.encode()",
    "tag.ls(args.repo, args.options) tag.ls(args.repo, {[args.name] = 1})",
    "tag.ls(args.repo, {limit = 1}, {anything = 1})",
    "log('x', {any = 1, field = 2})",
    # modules
    "local semver = require 'semver' return semver('1.2.3') < semver.parse('2.0.0')",
    "local json = require('lunajson') return json.encode({})",
    "local ok, helper = pcall(require, 'helper') if ok then helper.run() end",
    "local ok = pcall(function() require 'helper' end)",
    "require(args.module) anything.at_all()",
    # values and their methods
    "local m = manifest.get(args.ref) return m.anything, m:config().Config.Labels.x",
    "return ('x'):anything()",
    "local s = args.s return s:trim()",
    # nil that is asked for
    "local c = image.created(args.ref) if c and c < 5 then end",
    "local c = image.created(args.ref) if not c then return end return c < 5",
    "local c = image.created(args.ref) or 0 return c < 5",
    "local c = image.created(args.ref) c = c or 0 return c < 5",
    "local c = image.created(args.ref) assert(c) return c < 5",
    "local c = image.created(args.ref) if c == nil then error('x') end return c < 5",
    "local l = image.config(args.ref).Config.Labels if l.x and l.x < 'y' then end",
    "local ic = image.config(args.ref) return ic.Config.Labels.x == 'y', ic.Config.User < 'z'",
    "pcall(function() return image.created(args.ref) < 5 end)",
    "local function f() return image.created(args.ref) < 5 end pcall(f)",
    "local config = {Labels = {x = 'y'}} return config.Labels.x < 'z'",
    # deletes that are chosen
    "tag.delete(args.ref)",
    "for _, t in ipairs(tag.ls('a/b')) do if t ~= 'latest' then tag.delete(t) end end",
    "for _, t in ipairs(tag.ls('a/b')) do local keep = t == 'x' and tag.delete(t) end",
    "for _, t in ipairs(tag.ls('a/b')) do if t == 'x' then break end tag.delete(t) end",
    "for _, t in ipairs(tag.ls('a/b', {limit = 3})) do tag.delete(t) end",
    "for _, t in ipairs(args.tags) do tag.delete(t) end",
    "local t = tag.ls('a/b') for i = 5, #t do tag.delete(t[i]) end",
    "local t = tag.ls('a/b') table.remove(t) for _, n in ipairs(t) do tag.delete(n) end",
    "local t = tag.ls('a/b') t[1] = nil for _, n in pairs(t) do tag.delete(n) end",
    "local t = {} for _, n in ipairs(tag.ls('a/b')) do t[#t + 1] = n end",
    "",
    "return",
]


@pytest.mark.parametrize("source", FINE)
def test_what_works_is_passed_over(source):
    assert found(source) == []


def test_a_guard_is_enough_for_a_loop_that_deletes():
    source = "for _, t in ipairs(tag.ls('a/b')) do tag.delete(t) end"
    assert len(found(source)) == 1
    assert found(source, guarded=True) == []


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("local = 1", "1:7"),
        ("x = 1\n  y = = 2", "2:3"),
        ("if true then", "1:13"),
        ("x = (1 1)", "1:1"),
        (b"\x1bLua", "1:1"),
    ],
)
def test_a_syntax_error_is_all_that_is_said(source, place):
    (finding,) = found(source)
    assert finding.startswith(f"{place}: not Lua: ")


def test_all_mistakes_are_found_at_once():
    places = [each.split(": ")[0] for each in found("tagg.ls()\ntag.lst()\ntag.ls()\nzzz()\n")]
    assert places == ["1:1", "2:5", "3:1", "4:1"]


def test_of_very_many_mistakes_the_first_are_named():
    findings = found("a.b()\n" * 5000)
    assert len(findings) == 101
    assert findings[-1].startswith("101:1: more mistakes begin here")


def test_modules_are_read_with_the_script(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "helper.lua").write_text(
        "limit = 5\nlocal M = {}\nlocal deep = require 'inner.deep'\n"
        "function M.run() tag.delet('x') end\nreturn M\n"
    )
    (tmp_path / "inner" / "deep.lua").write_text("require 'helper'\nfunction tag.clean() end\n")
    source = "local h = require('helper')\nh.run(limit + 1) tag.clean() h.anything()"
    assert found(source, folder=tmp_path) == [
        "helper.lua:4:22: tag.delet is not defined (did you mean tag.delete?)"
    ]
    (tmp_path / "inner" / "deep.lua").write_text("x = = 1")
    (finding,) = found(source, folder=tmp_path)
    assert finding.startswith("deep.lua:1:1: not Lua: ")


def test_a_module_in_a_folder_replaces_the_built_in_one(tmp_path):
    (tmp_path / "json.lua").write_text("return {parse = print}")
    assert found("local json = require 'json' json.parse('1')", folder=tmp_path) == []
    assert len(found("local json = require 'json' json.parse('1')")) == 1


def scripts_of(page: str) -> list[str]:
    """The scripts that a page shows, in Lua or in YAML."""
    lua = re.findall(r"^```lua\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for text in re.findall(r"^```ya?ml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for config in yaml.safe_load_all(text):
            scripts = config.get("scripts") if isinstance(config, dict) else None
            lua += [script["script"] for script in scripts or () if "script" in script]
    return lua


LUA_OF_OTHERS = {"editors.md"}
"""Pages whose Lua is not for regbot: Neovim's settings."""
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.name not in LUA_OF_OTHERS
]


def test_nothing_is_found_in_the_docs():
    sources = [source for page in PAGES for source in scripts_of(page.read_text())]
    assert len(sources) > 15
    assert [found(source, guarded=True) for source in sources if found(source, guarded=True)] == []


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.name)
def test_nothing_is_found_in_scripts_that_work(path):
    missing = "there is no module"
    assert [each for each in found(path.read_bytes()) if missing not in each] == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_nothing_is_found_in_examples(path):
    for script in yaml.safe_load(path.read_text())["scripts"]:
        if "retention" not in script:
            source = script.get("script") or (EXAMPLES / script["file"]).read_text()
            assert found(source) == []


CALLABLE = [(name, binding) for binding in BINDINGS for name in binding.all_names]


@pytest.mark.parametrize(("name", "binding"), CALLABLE, ids=[name for name, _ in CALLABLE])
def test_a_call_that_is_too_short_fails_when_it_runs(flavour, name, binding):
    required = required_count(binding.parameters)
    first = "{}" if name == "parallel.map" else '"localhost/a:1"'
    given = first if required == 2 else ""
    is_found = [each for each in found(f"{name}({given})") if " needs " in each]
    assert bool(is_found) == (required > 0)
    if required:
        ran = run_script_text(f"{name}({given})", flavour=flavour)
        assert ran.error is not None
        assert f"argument {required} (" in str(ran.error) or name == "require"


@given(st.text() | st.binary())
def test_any_text_is_read(source):
    found(source)


PIECES = st.sampled_from(
    [
        *("local ", "function ", "end ", "if ", "then ", "for ", "in ", "do ", "repeat ", "until "),
        *(
            "x",
            "tag",
            ".",
            ":",
            "ls",
            "delete",
            "(",
            ")",
            "{",
            "}",
            "[",
            "]",
            "=",
            "<",
            ", ",
            "...",
        ),
        *("'a'", "1", " and ", " not ", "\n", "require", "_G", "#", "return ", "goto x ", "::x::"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_pieces_of_lua_are_read(source):
    found(source)


@pytest.mark.parametrize(
    "source",
    [
        "return " + "(" * 150 + "zzz" + ")" * 150,
        "return 1" + "+1" * 20000,
        "return f" + "()" * 20000,
        "do " * 150 + "end " * 150,
        "return " + "{" * 150 + "}" * 150,
        "x = {" + "1," * 20000 + "}",
        "return " + "not " * 150 + "1",
    ],
    ids=lambda source: source[:20],
)
def test_deep_nesting_is_no_crash(source):
    found(source)


def test_no_script_runs_and_no_socket_is_opened(monkeypatch):
    def refuse(*_arguments: object, **_more: object) -> None:
        raise AssertionError("a socket is opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert found("while true do end tag.ls('localhost:1/a') error('x')", guarded=True) == []
