-- What scripts hold: references, manifests, configs and blobs as userdata, and
-- JSON objects as tables that also answer to their Go names.
--
--   call(name, ...)  a binding: true, kind and value, or false and a text
--   decode(raw)      JSON text as Lua tables
--   pretty(raw)      JSON text, indented
--   shapes           fields of each JSON object: {go, json, type}, by shape
--   functions        names of bindings, dotted
--   methods          binding names by kind and method
-- Gives construct(kind, fields) and describe(userdata) -> kind, fields.

local call, decode, pretty, shapes, functions, methods, newproxy = ...

local error, type, tostring, select, setmetatable, getmetatable, rawget, rawset =
  error, type, tostring, select, setmetatable, getmetatable, rawget, rawset
local pairs, ipairs, unpack, loadstring = pairs, ipairs, unpack, loadstring
local concat, match, gsub = table.concat, string.match, string.gsub

local state = setmetatable({}, { __mode = "k" })
local construct, update

local bound = {}
for _, name in ipairs(functions) do
  bound[name] = function(...)
    local ok, kind, value = call(name, ...)
    if not ok then error(kind, 2) end
    if kind == "" then return value end
    if kind == "values" then return unpack(value) end
    if kind == "update" then return update((...), value) end
    return construct(kind, value)
  end
end

-- The script's edits go along, as a table of their own.
for _, name in ipairs({ "manifest.export", "config.export" }) do
  local export = bound[name]
  if export then
    bound[name] = function(object)
      local fields = state[object]
      return export(object, fields and fields.document)
    end
  end
end

-- JSON objects -------------------------------------------------------------

local shaped

-- A time as Go prints it, which is what scripts compare: 2021-01-01 00:00:00 +0000 UTC.
local function go_time(text)
  local day, clock, fraction, zone =
    match(text, "^(%d%d%d%d%-%d%d%-%d%d)[Tt](%d%d:%d%d:%d%d)(%.?%d*)([Zz+-].*)$")
  if not day then return text end
  local short = gsub(gsub(fraction, "0+$", ""), "%.$", "")
  local offset = gsub(zone, ":", "")
  local name = match(offset, "^[Zz]") or match(offset, "^[+-]0+$")
  local suffix = name and "+0000 UTC" or offset .. " " .. offset
  return day .. " " .. clock .. short .. " " .. suffix
end

local function shape_value(value, kind)
  if kind == "time" and type(value) == "string" then return go_time(value) end
  if type(value) ~= "table" then return value end
  local element = match(kind, "^%[%](.+)$")
  if element then
    for index = 1, #value do value[index] = shape_value(value[index], element) end
    return value
  end
  local name = gsub(kind, "%?$", "")
  return shapes[name] and shaped(value, name) or value
end

local function zero(kind)
  if match(kind, "%?$") or kind == "time" then return nil end
  if kind == "string" then return "" end
  if kind == "integer" then return 0 end
  if kind == "boolean" then return false end
  return shape_value({}, kind)
end

local metatables = {}
for name, fields in pairs(shapes) do
  local by_name = {}
  for _, field in ipairs(fields) do
    local entry = { json = field[2], type = field[3] }
    by_name[field[1]] = entry
    by_name[field[2]] = entry
  end
  metatables[name] = {
    by_name = by_name,
    __metatable = false,
    __index = function(object, key)
      local field = by_name[key]
      if not field then return nil end
      local value = rawget(object, field.json)
      if value == nil then
        value = zero(field.type)
        if type(value) == "table" then rawset(object, field.json, value) end
      end
      return value
    end,
    __newindex = function(object, key, value)
      local field = by_name[key]
      rawset(object, field and field.json or key, value)
    end,
  }
end

function shaped(object, name)
  local metatable = metatables[name]
  for _, field in ipairs(shapes[name]) do
    local value = rawget(object, field[2])
    if value ~= nil then rawset(object, field[2], shape_value(value, field[3])) end
  end
  return setmetatable(object, metatable)
end

-- Userdata -----------------------------------------------------------------

local function document(fields)
  if fields.document == nil then
    fields.document = shaped(decode(fields.raw), fields.shape)
  end
  return fields.document
end

-- `m.config` is the descriptor and `m:config()` the method: one table for both.
local function both(value, method)
  if type(value) ~= "table" or getmetatable(value) ~= false then return method end
  local view = {}
  return setmetatable(view, {
    __metatable = false,
    __call = function(_, ...) return method(...) end,
    __index = value,
    __newindex = value,
  })
end

local function index(self, key)
  local fields = state[self]
  local method = methods[fields.kind][key]
  method = method and bound[method]
  if not fields.raw then return method end
  local known = metatables[fields.shape].by_name[key]
  local value = (known or not method) and document(fields)[key]
  if method then return both(value, method) end
  return value
end

local function assign(self, key, value)
  local fields = state[self]
  if not fields.raw then error("a " .. fields.kind .. " has no field to set: " .. tostring(key), 2) end
  document(fields)[key] = value
end

local function describe_as_text(self)
  local fields = state[self]
  return fields.text or pretty(fields.raw)
end

local template = newproxy(true)
local metatable = getmetatable(template)
metatable.__index = index
metatable.__newindex = assign
metatable.__tostring = describe_as_text
metatable.__metatable = false
metatable.__eq = function(a, b) return tostring(a) == tostring(b) end

local function list_of(kind, values)
  for position, value in ipairs(values) do values[position] = construct(kind, value) end
  return values
end

function construct(kind, fields)
  local element = match(kind, "^%[%](.+)$")
  if element then return list_of(element, fields) end
  if shapes[kind] then return shaped(fields, kind) end
  local object = newproxy(template)
  fields.kind = kind
  state[object] = fields
  return object
end

function update(self, fields)
  local own = state[self]
  fields.kind = own.kind
  state[self] = fields
  return self
end

local function describe(object)
  local fields = state[object]
  if not fields then return nil end
  return fields.kind, fields
end

-- Globals ------------------------------------------------------------------

for _, name in ipairs(functions) do
  local namespace, member = match(name, "^([^.]+)%.(.+)$")
  if namespace then
    local own = rawget(_G, namespace) or {}
    rawset(_G, namespace, own)
    own[member] = bound[name]
  end
end

local levels = {}
for _, level in ipairs({ "debug", "info", "warn", "error" }) do
  local write = bound["log." .. level]
  levels[level] = function(message, fields) return write(tostring(message), fields) end
end

local info = levels.info
log = setmetatable(levels, {
  __call = function(_, ...) return info(...) end,
  __metatable = false,
})

function print(...)
  local parts = {}
  for position = 1, select("#", ...) do parts[position] = tostring((select(position, ...))) end
  info(concat(parts, "\t"))
end

local modules = {}
local read_module = bound.require

function require(name)
  local own = rawget(_G, name)
  if type(own) == "table" then return own end
  if modules[name] == nil then
    local module = read_module(name)
    local chunk, problem = loadstring(module.source, "=" .. module.name)
    if not chunk then error(problem, 0) end
    local value = chunk(name)
    modules[name] = value == nil and true or value
  end
  return modules[name]
end

return construct, describe
