-- Leaves a script what it may have, with a hook that ends it for good.
--
-- tick() gives the reason why the script must end, or nil. now is what the clock of os.time
-- and os.date stands at, nil for the real one. covered is nil, or a table that gets, by the
-- name of each chunk of the script, the chunk and the lines of it that ran.
-- Gives run(source, name, line), which gives true and results, or false and a message;
-- compile(source, name, line), which gives a function, or nil and a message, for a source
-- that begins at a line of the file that has the name; fail(text), which raises an error at
-- the script's line; and inside, which regbot's own chunks share: watch(thread) sets the hook,
-- outers has the coroutine that resumed each, bodies the body of parallel.map that each runs
-- in, final what ends the script.

local tick, now, covered = ...

local sethook, getinfo, setfenv, loadstring, pcall, error =
  debug.sethook, debug.getinfo, setfenv, loadstring, pcall, error
local select, type, tonumber, tostring, unpack, pairs, setmetatable =
  select, type, tonumber, tostring, unpack, pairs, setmetatable
local concat, byte, sub, rep = table.concat, string.byte, string.sub, string.rep
local running = coroutine.running
local count_memory = collectgarbage

local script_name
local TICK = 10000 -- instructions between two looks at the clock
local EVENTS = covered and "l" or "" -- what the hook is called for beside them: each line
local LIBRARY = "@regbot:" -- what the names of regbot's own chunks begin with

local kept = {
  _G = true, _VERSION = true, assert = true, error = true, getfenv = true, getmetatable = true,
  ipairs = true, next = true, pairs = true, pcall = true, rawequal = true, rawget = true,
  rawset = true, select = true, setfenv = true, setmetatable = true, tonumber = true,
  tostring = true, type = true, unpack = true,
  coroutine = { create = true, resume = true, running = true, status = true, wrap = true,
    yield = true, isyieldable = true },
  math = "all",
  os = { clock = true, date = true, difftime = true, time = true },
  string = { byte = true, char = true, find = true, format = true, gmatch = true, gsub = true,
    len = true, lower = true, match = true, rep = true, reverse = true, sub = true, upper = true,
    gfind = true },
  table = "all",
}

local inside = {
  outers = setmetatable({}, { __mode = "k" }),
  bodies = setmetatable({}, { __mode = "k" }),
}

local function is_library(place)
  return sub(place.source, 1, #LIBRARY) == LIBRARY
end

local function is_in_script(place)
  return place.currentline > 0 and not is_library(place)
end

local function shown(place)
  return place.short_src .. ":" .. place.currentline .. ": "
end

-- Where the script is: the nearest caller that is not regbot's own, in this coroutine, else
-- in those around it; else where parallel.map was called.
local function place_in_script()
  for level = 2, 50 do
    local place = getinfo(level, "Sl")
    if not place then break end
    if is_in_script(place) then return shown(place) end
  end
  local thread = running()
  local body = thread and inside.bodies[thread]
  while thread and inside.outers[thread] do
    thread = inside.outers[thread]
    for level = 0, 50 do
      local place = getinfo(thread, level, "Sl")
      if not place then break end
      if is_in_script(place) then return shown(place) end
    end
  end
  return body and body.place or script_name .. ": "
end

local function fail(text)
  error(place_in_script() .. text, 0)
end

-- The reason sticks: from then on every instruction raises it again, so that no
-- pcall and no coroutine carries on.
local function hook(event, line)
  if event == "line" then
    local chunk = covered[getinfo(2, "S").source]
    if chunk then chunk.lines[line] = true end
    return
  end
  if not inside.final then
    local why = tick()
    if not why then return end
    inside.final = place_in_script() .. why
  end
  sethook(hook, "", 1)
  error(inside.final, 0)
end

local function keep_only(container, names)
  for name, value in pairs(container) do
    local wanted = names[name]
    if not wanted then
      container[name] = nil
    elseif type(wanted) == "table" then
      keep_only(value, wanted)
    end
  end
end

keep_only(_G, kept)

if now then
  local date, time = os.date, os.time

  function os.time(moment)
    if moment == nil then return now end
    return time(moment)
  end

  function os.date(format, moment)
    return date(format == nil and "%c" or format, moment == nil and now or moment)
  end
end

local function pack(...)
  return { n = select("#", ...), ... }
end

-- A hook belongs to a thread in Lua 5.1, so each new one gets its own.
function inside.watch(thread)
  sethook(thread, hook, EVENTS, TICK)
end

inside.getinfo, inside.place_in_script = getinfo, place_in_script

local function text_of(chunk)
  if type(chunk) ~= "function" then return chunk end
  local pieces = {}
  for piece in chunk do
    if piece == "" then break end
    if type(piece) ~= "string" then fail("load: the function gave a " .. type(piece)) end
    pieces[#pieces + 1] = piece
  end
  return concat(pieces)
end

-- Bytecode could break out of the interpreter: text alone is loaded.
local function load_text(chunk, name)
  local text = text_of(chunk)
  if type(text) ~= "string" then
    fail("load: expected text or a function that gives text, got a " .. type(text))
  end
  if byte(text, 1) == 27 then return nil, "load: bytecode is not allowed" end
  name = type(name) == "string" and name or "=(load)"
  local loaded, problem = loadstring(text, name)
  if not loaded then return nil, problem end
  if covered then covered[name] = covered[name] or { chunk = loaded, lines = {} } end
  return loaded
end

-- Lua counts lines from 1, so as many empty ones go before.
local function compile(source, name, line)
  local padding = byte(source, 1) == 27 and "" or rep("\n", line - 1)
  return load_text(padding .. source, "=" .. name)
end

_G.loadstring = load_text
_G.load = load_text

-- Lua's own gives the function at a level of the stack, which may be one of regbot's.
function _G.setfenv(target, environment)
  if type(environment) ~= "table" then fail("setfenv: expected a table as the environment") end
  local level = tonumber(target)
  if level == 0 then return setfenv(0, environment) end
  if not level and type(target) ~= "function" then
    fail("setfenv: expected a function or a level, got a " .. type(target))
  end
  local place = getinfo(level and level + 1 or target, "Sf")
  if not place or not place.func then fail("setfenv: no function at level " .. level) end
  if place.what == "C" or is_library(place) then
    fail("setfenv: the function is not one of the script's")
  end
  return setfenv(place.func, environment)
end

function collectgarbage(what)
  if what == "count" then return count_memory("count") end
  if what == nil or what == "collect" or what == "step" then return 0 end
  fail("collectgarbage: " .. tostring(what) .. " is not allowed")
end

local function run(source, name, line)
  script_name = name
  local chunk, problem = compile(source, name, line)
  if not chunk then return false, "syntax", problem end
  sethook(hook, EVENTS, TICK)
  local results = pack(pcall(chunk))
  sethook()
  if results[1] then return true, unpack(results, 2, results.n) end
  local told, text = pcall(tostring, results[2])
  if not told or type(text) ~= "string" then text = "an error that can't be shown" end
  return false, "script", text
end

return run, compile, fail, inside
