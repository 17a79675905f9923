-- The functions that scripts find, from the bindings: each in its namespace, with log,
-- print and require, which need a part in Lua.
--
--   bound       bindings by dotted name
--   fail(text)  raises an error at the script's line
--   semver      what makes the module semver from its table
--   make_map    what makes parallel.map from the binding that reads its options
--   undisturbed  pcall, with no other body of parallel.map running until it returns

local bound, fail, make_semver, make_map, undisturbed = ...

local type, tostring, select, setmetatable, rawget, rawset, pairs, ipairs =
  type, tostring, select, setmetatable, rawget, rawset, pairs, ipairs
local loadstring, error = loadstring, error
local concat, match, gsub, sub = table.concat, string.match, string.gsub, string.sub

local MESSAGE_LIMIT = 64 * 1024 -- bytes of a log line

for name, call in pairs(bound) do
  local namespace, member = match(name, "^([^.]+)%.(.+)$")
  if namespace then
    local members = rawget(_G, namespace) or {}
    rawset(_G, namespace, members)
    members[member] = call
  end
end

local function text_of(name, value)
  local text = tostring(value)
  if type(text) ~= "string" then fail(name .. ": __tostring gave a " .. type(text)) end
  return text
end

-- log and print --------------------------------------------------------------

local function log_line(name)
  local write = bound[name]
  return function(message, fields)
    local text = text_of(name, message)
    if #text > MESSAGE_LIMIT then
      local whole_characters = gsub(sub(text, 1, MESSAGE_LIMIT), "[\194-\244][\128-\191]*$", "")
      text = whole_characters .. " [cut, " .. #text .. " bytes in all]"
    end
    write(text, fields)
  end
end

local levels = {}
for _, level in ipairs({ "debug", "info", "warn", "error" }) do
  levels[level] = log_line("log." .. level)
end

local write_info = log_line("log")
log = setmetatable(levels, {
  __call = function(_, ...) write_info(...) end,
  __metatable = false,
})

local write_line = bound.print

function print(...)
  local parts = {}
  for position = 1, select("#", ...) do
    parts[position] = text_of("print", (select(position, ...)))
  end
  write_line(concat(parts, "\t"))
end

-- Modules --------------------------------------------------------------------

semver = make_semver(semver, bound.semver)
parallel.map = make_map(bound["parallel.map"])

local built_in = { lunajson = json }
for name, value in pairs(_G) do
  if type(value) == "table" and value ~= _G then built_in[name] = value end
end

local find_module = bound.require

local function load_module(name)
  local module = find_module(name)
  if not module.source then
    return built_in[name] or fail("require: " .. module.problem)
  end
  local chunk, problem = loadstring(module.source, "=" .. module.name)
  if not chunk then fail("require: " .. problem) end
  local value = chunk(name)
  return value == nil and true or value
end

local modules, loading = {}, {}

function require(name)
  if type(name) ~= "string" then fail("require: expected a string, got a " .. type(name)) end
  if modules[name] ~= nil then return modules[name] end
  if loading[name] then fail("require: module '" .. name .. "' requires itself") end
  loading[name] = true
  local ok, value = undisturbed(load_module, name)
  loading[name] = nil
  if not ok then error(value, 0) end
  modules[name] = value
  return value
end
