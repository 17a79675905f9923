-- parallel.map: a function for each item of a list, with many of its calls under way at once.
--
-- Each item has a body, a coroutine that runs until it has to wait for an answer. All calls
-- of bodies that wait go to regbot together, and whichever is answered goes on.
--
--   inside     what sandbox.lua and coroutines.lua share
--   here       names of the bindings that are answered in this process
--   call(body, outer, name, ...)  a call of a body, 0 for the script itself: true, kind and
--              value, or false and a text; nil and a text for one that was not sent
--   post(body, outer, name, ...)  sends one without waiting: its number, or nil and a text
--   take()     the next answer that there is: its number, then as call gives it
--   limit_memory()  to be called after each of the three, which work without a limit
--   fail(text)  raises an error at the script's line
-- Gives ask(name, ...), which is call for whatever runs at the moment, and make_map(options),
-- which makes parallel.map from the binding that reads its options.

local inside, here, call, post, take, limit_memory, fail = ...

local type, error, pairs, tostring = type, error, pairs, tostring
local pcall, resume, yield = inside.pcall, inside.resume, inside.yield
local running, status = inside.running, inside.status
local WAIT, begin, can_wait, bodies = inside.WAIT, inside.begin, inside.can_wait, inside.bodies

local DEEPEST = 100 -- calls of parallel.map inside one another

local function limited(...)
  limit_memory()
  return ...
end

-- Calls ------------------------------------------------------------------------

-- A body is known to regbot by its slot, from its first call on; that call says which known
-- body is around it.
local function first_call(body)
  if body.known then return nil end
  local outer = body.outer
  while outer and not outer.known do outer = outer.outer end
  return outer and outer.slot or 0
end

local function noted(body, sent, ...)
  body.known = body.known or sent ~= nil
  return sent, ...
end

local function ask(name, ...)
  local thread = running()
  local body = thread and bodies[thread]
  if not body or here[name] then return limited(call(0, nil, name, ...)) end
  if not can_wait(thread) then
    return noted(body, limited(call(body.slot, first_call(body), name, ...)))
  end
  local number, problem = noted(body, limited(post(body.slot, first_call(body), name, ...)))
  if not number then return false, problem end
  body.run.waiting[number] = body
  yield(WAIT)
  local value = body.value
  body.value = nil
  return body.ok, body.kind, value
end

-- Runs ---------------------------------------------------------------------------
--
-- A run is one parallel.map with those inside its bodies. Each of these is a group of items.

local function new_run()
  local run = inside.new_run()
  run.ready, run.first, run.last = {}, 1, 0
  run.waiting, run.free, run.slots = {}, {}, 0
  return run
end

local function make_ready(run, body)
  run.last = run.last + 1
  run.ready[run.last] = body
end

local function next_ready(run)
  if run.first > run.last then return nil end
  local body = run.ready[run.first]
  run.ready[run.first] = nil
  run.first = run.first + 1
  return body
end

local function take_slot(run)
  local free = run.free
  local slot = free[#free]
  if slot then
    free[#free] = nil
    return slot
  end
  run.slots = run.slots + 1
  return run.slots
end

local function begin_next(run, group)
  local index = group.begun + 1
  local work, item = group.work, group.items[index]
  local body = {
    run = run, group = group, outer = group.outer, index = index, place = group.place,
  }
  body.thread = begin(body, run, function() return work(item, index) end)
  body.slot = take_slot(run)
  group.begun = index
  group.running = group.running + 1
  make_ready(run, body)
end

local function ended(run, body, ok, result)
  local group = body.group
  group.running = group.running - 1
  run.free[#run.free + 1] = body.slot
  if ok then
    group.results[body.index] = result
  elseif not group.failed or body.index < group.failed then
    group.failed, group.problem = body.index, result
  end
  if not group.failed and group.begun < group.count then begin_next(run, group) end
  if group.running == 0 then
    group.done = true
    if group.outer then make_ready(run, group.outer) end
  end
end

local function go_on(run, body)
  local ok, result = resume(body.thread)
  if inside.final then error(inside.final, 0) end
  if status(body.thread) == "dead" then ended(run, body, ok, result) end
end

local function take_answer(run)
  local number, ok, kind, value = limited(take())
  local body = run.waiting[number]
  if not body then return end
  run.waiting[number] = nil
  body.ok, body.kind, body.value = ok, kind, value
  make_ready(run, body)
end

local function drive(run, group)
  while not group.done do
    local body = next_ready(run)
    if body then go_on(run, body) else take_answer(run) end
  end
end

-- The results of a group at a place where nothing can wait: one item after the other.
local function in_order(group)
  for index = 1, group.count do
    local ok, result = pcall(group.work, group.items[index], index)
    if inside.final then error(inside.final, 0) end
    if not ok then
      group.failed, group.problem = index, result
      return
    end
    group.results[index] = result
  end
end

local function all_at_once(run, group)
  for _ = 1, group.workers < group.count and group.workers or group.count do
    begin_next(run, group)
  end
  if not group.outer then return drive(run, group) end
  while not group.done do yield(WAIT) end
end

-- parallel.map ---------------------------------------------------------------------

local function items_of(list)
  if type(list) ~= "table" then
    fail("parallel.map: argument 1 (list): expected an array, got a " .. type(list))
  end
  local items, count, highest = {}, 0, 0
  for key, item in pairs(list) do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      fail("parallel.map: argument 1 (list): expected an array, got a table with the key "
        .. tostring(key))
    end
    items[key], count = item, count + 1
    if key > highest then highest = key end
  end
  if count ~= highest then
    fail("parallel.map: argument 1 (list): expected an array, got one with nil in between")
  end
  return items, count
end

local function make_map(options)
  return function(list, work, given)
    local items, count = items_of(list)
    if type(work) ~= "function" then
      fail("parallel.map: argument 2 (fn): expected a function, got a " .. type(work))
    end
    local thread = running()
    local outer = thread and bodies[thread]
    local group = {
      items = items, count = count, work = work, workers = options(nil, nil, given),
      outer = outer, place = inside.place_in_script(), results = {}, begun = 0, running = 0,
      depth = outer and outer.group.depth + 1 or 1,
    }
    if group.depth > DEEPEST then fail("parallel.map: more than " .. DEEPEST .. " inside one another") end
    if count == 0 then return {} end
    if outer and not can_wait(thread) then
      in_order(group)
    else
      all_at_once(outer and outer.run or new_run(), group)
    end
    if not group.failed then return group.results end
    if type(group.problem) ~= "string" then error(group.problem, 0) end
    fail("parallel.map: item " .. group.failed .. ": " .. group.problem)
  end
end

return ask, make_map
