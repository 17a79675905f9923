-- Coroutines as scripts have them: limited in depth, ended when the script ends, and able
-- to wait inside a body of parallel.map, so that the other bodies go on meanwhile.
--
-- A body that waits for an answer yields WAIT. What lies between, coroutines of the script
-- and in Lua 5.1 pcall, hands that on to the outer coroutine.
--
--   inside      what sandbox.lua shares: watch, getinfo, outers, bodies, final
--   fail(text)  raises an error at the script's line
-- Adds to inside: WAIT, new_run, begin, can_wait, undisturbed, and Lua's own pcall, resume, yield,
-- running and status.

local inside, fail = ...

local create, resume, yield, running, status, isyieldable =
  coroutine.create, coroutine.resume, coroutine.yield, coroutine.running, coroutine.status,
  coroutine.isyieldable
local pcall, error, select, type, unpack, setmetatable =
  pcall, error, select, type, unpack, setmetatable
local watch, outers, bodies = inside.watch, inside.outers, inside.bodies
local getinfo, place_in_script = inside.getinfo, inside.place_in_script

local DEEPEST = 100 -- coroutines inside one another: each takes some of the C stack
local TOO_DEEP = "more than " .. DEEPEST .. " coroutines inside one another"
local WAIT = {}

local function by_thread()
  return setmetatable({}, { __mode = "k" })
end

-- How many coroutines wait for each. Lua 5.1 does not count them until the C stack ends.
local depths = by_thread()
local top = by_thread() -- true for a body's own coroutine, which nothing can be yielded out of
local stuck = by_thread() -- true where the outer coroutine could not yield when it resumed it
local asleep = by_thread() -- true while a body waits inside it
local stands_for = by_thread() -- the script's coroutine that a coroutine of pcall runs for

-- Where a coroutine can yield ----------------------------------------------------

-- Lua 5.1 can't say whether a metamethod, an iterator, table.sort or the like lies between
-- here and the coroutine's begin. Each of them is a C call inside another, of which Lua
-- allows so many: the most steps that work at the begin fail where there is one.
local steps = setmetatable({ [0] = true }, { __index = function(these, n) return these[n - 1] end })
local most_steps = by_thread() -- at the begin of each coroutine in a body
local one_deeper -- how many fewer work in a coroutine inside another

local function climb(n) return steps[n] end

local function count_steps()
  local works, fails = 0, 250
  while fails - works > 1 do
    local middle = (works + fails - (works + fails) % 2) / 2
    if pcall(climb, middle) then works = middle else fails = middle end
  end
  return works
end

-- The steps that work at the begin of a coroutine that is resumed here.
local function steps_inside()
  local _, outside, inner = resume(create(function()
    local here = count_steps()
    return here, one_deeper or select(2, resume(create(count_steps)))
  end))
  one_deeper = one_deeper or outside - inner
  return outside
end

local function can_yield(thread)
  if isyieldable then return isyieldable() end
  return (pcall(climb, most_steps[thread]))
end

-- Whether a call at this place of a body can leave the other bodies running.
local function can_wait(thread)
  return not stuck[thread] and not bodies[thread].undisturbed and can_yield(thread)
end

-- Beginning and resuming -----------------------------------------------------------

local function script_thread()
  local thread = running()
  return thread and (stands_for[thread] or thread)
end

function coroutine.create(body)
  local ok, thread = pcall(create, body)
  if not ok then fail("coroutine.create: expected a function of Lua's") end
  watch(thread)
  return thread
end

-- The coroutine's place among the others; false where there are too many around it.
local function entered(thread, body)
  local outer = running()
  local depth = (outer and depths[outer] or 0) + 1
  if depth > DEEPEST then return false end
  depths[thread], outers[thread], bodies[thread] = depth, outer, body
  if body and not isyieldable then most_steps[thread] = most_steps[outer] - one_deeper end
  return true
end

local function handed_on(thread, ok, what, ...)
  if inside.final then error(inside.final, 0) end
  if not ok or what ~= WAIT then return ok, what, ... end
  asleep[thread] = true
  yield(WAIT)
  asleep[thread] = nil
  return handed_on(thread, resume(thread))
end

function coroutine.resume(thread, ...)
  if type(thread) ~= "thread" then
    fail("coroutine.resume: expected a coroutine, got a " .. type(thread))
  end
  if asleep[thread] then return false, "cannot resume normal coroutine" end
  local outer = running()
  local body = outer and bodies[outer]
  if not entered(thread, body) then return false, place_in_script() .. TOO_DEEP end
  stuck[thread] = body and not can_wait(outer) or nil
  return handed_on(thread, resume(thread, ...))
end

local resume_limited = coroutine.resume

local function resumed(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

function coroutine.wrap(body)
  local thread = coroutine.create(body)
  return function(...) return resumed(resume_limited(thread, ...)) end
end

function coroutine.yield(...)
  local thread = script_thread()
  if thread and top[thread] then fail("attempt to yield outside a coroutine") end
  return yield(...)
end

function coroutine.status(thread)
  return asleep[thread] and "normal" or status(thread)
end

coroutine.running = script_thread

-- A coroutine for a body of a run, which resumes it.
function inside.begin(body, run, work)
  local thread = create(work)
  watch(thread)
  depths[thread], bodies[thread] = run.depth, body
  most_steps[thread] = run.steps
  top[thread] = true
  return thread
end

-- What bodies that are resumed here have in common.
function inside.new_run()
  local thread = running()
  local depth = (thread and depths[thread] or 0) + 1
  return { depth = depth, steps = not isyieldable and steps_inside() or nil }
end

-- pcall ----------------------------------------------------------------------------

local function outcome(thread, ok, ...)
  if inside.final then error(inside.final, 0) end
  if status(thread) ~= "suspended" then return ok, ... end
  return outcome(thread, resume(thread, yield(...)))
end

-- Nothing can be yielded through the pcall of Lua 5.1, so a body's runs in a coroutine.
local function pcall_of_body(work, ...)
  local outer = running()
  local simple = not outer or not bodies[outer] or depths[outer] >= DEEPEST / 2
  if simple or type(work) ~= "function" or getinfo(work, "S").what == "C" then
    return pcall(work, ...)
  end
  if not can_wait(outer) then return pcall(work, ...) end
  local thread = create(work)
  entered(thread, bodies[outer])
  watch(thread)
  stands_for[thread] = stands_for[outer] or outer
  return outcome(thread, resume(thread, ...))
end

if not isyieldable then _G.pcall = pcall_of_body end

local protected = _G.pcall

local function pack(...)
  return { n = select("#", ...), ... }
end

-- The real xpcall runs its handler inside the hook that raised, where no hook fires.
function xpcall(body, handler, ...)
  local results = pack(protected(body, ...))
  if results[1] then return unpack(results, 1, results.n) end
  return false, select(2, protected(handler, results[2]))
end

local function disturbed_again(body, before, ...)
  if body then body.undisturbed = before end
  return ...
end

-- pcall, with no other body running until it returns.
function inside.undisturbed(work, ...)
  local thread = running()
  local body = thread and bodies[thread]
  local before = body and body.undisturbed
  if body then body.undisturbed = true end
  return disturbed_again(body, before, pcall(work, ...))
end

inside.WAIT, inside.can_wait, inside.pcall = WAIT, can_wait, pcall
inside.resume, inside.yield, inside.running, inside.status = resume, yield, running, status
