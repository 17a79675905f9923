-- What scripts hold: references, manifests, configs and blobs as userdata, and
-- JSON objects as tables that also answer to their Go names.
--
--   interface     functions: names of bindings, dotted; methods: binding names by kind
--                 and method; shapes: fields of each JSON object, {go, json, type}
--   ask(name, ...)  a binding: true, kind and value, or false and a text
--   decode(raw, name), pretty(raw)  JSON text as Lua tables, or one field of it, and
--                 indented: true and it, or false and a text
--   limit_memory()  to be called after decode and pretty, which work without a limit
--   fail(text)    raises an error at the script's line
--   newproxy, getfenv, setfenv  makes userdata; gives and sets a userdata's environment
-- Gives the bindings by name, and describe(userdata, whole) -> kind, fields.

local interface, ask, decode, pretty, limit_memory, fail, newproxy, getfenv, setfenv = ...

local type, tostring, setmetatable, getmetatable, rawget, rawset =
  type, tostring, setmetatable, getmetatable, rawget, rawset
local pairs, ipairs, unpack = pairs, ipairs, unpack
local match, gsub = string.match, string.gsub

-- The environment of each userdata is a table with what it is: `kind`, the `fields` that
-- regbot gave it, and the `document` that its JSON text is read into, each field when it is
-- first asked for: `read` has the names of those, and is true where all of them were. It goes
-- with the userdata. As a value in a table with weak keys it would outlive one collection,
-- which makes the next one come later, and so on.
local OURS = {}
local construct, update, document

-- What a value of the script is; nil for one that is no object of ours.
local function state_of(value)
  local state = getfenv(value)
  return state and rawget(state, OURS) and state
end

-- Bindings -----------------------------------------------------------------

local function limited(...)
  limit_memory()
  return ...
end

local function result(object, ok, kind, value)
  if not ok then fail(kind) end
  if kind == "" then return value end
  if kind == "values" then return unpack(value) end
  if kind == "update" then return update(object, value) end
  return construct(kind, value)
end

local bound = {}
for _, name in ipairs(interface.functions) do
  bound[name] = function(...)
    return result((...), ask(name, ...))
  end
end

-- The script's edits go along, as a table of their own.
for _, name in ipairs({ "manifest.export", "config.export" }) do
  local export = bound[name]
  bound[name] = function(object)
    local state = state_of(object)
    return export(object, state and state.document and document(state))
  end
end

-- JSON objects -------------------------------------------------------------

local shaped

-- A time as Go prints it, which is what scripts compare: 2021-01-01 00:00:00 +0000 UTC.
local function go_time(text)
  if type(text) ~= "string" then return text end
  local day, clock, fraction, zone =
    match(text, "^(%d%d%d%d%-%d%d%-%d%d)[Tt](%d%d:%d%d:%d%d)(%.?%d*)([Zz+-].*)$")
  if not day then return text end
  local short = gsub(gsub(fraction, "0+$", ""), "%.$", "")
  local offset = gsub(zone, ":", "")
  local name = match(offset, "^[Zz]") or match(offset, "^[+-]0+$")
  local suffix = name and "+0000 UTC" or offset .. " " .. offset
  return day .. " " .. clock .. short .. " " .. suffix
end

-- What has to be done to a field's value, by its type; nil where it stays as it is.
local function shaper(kind)
  local element = match(kind, "^%[%](.+)$")
  if element then
    local shape_element = shaper(element)
    return shape_element and function(values)
      if type(values) == "table" then
        for position = 1, #values do values[position] = shape_element(values[position]) end
      end
      return values
    end
  end
  local name = gsub(kind, "%?$", "")
  if name == "time" then return go_time end
  return interface.shapes[name] and function(value) return shaped(value, name) end
end

local zeros = { string = "", integer = 0, boolean = false }

-- What an absent field reads as: nil, a text or number, or a new table.
local function zero(field)
  local kind = field.type
  if kind == "time" or match(kind, "%?$") then return nil end
  if zeros[kind] ~= nil then return zeros[kind] end
  return field.shape and field.shape({}) or {}
end

local function check_name(key)
  if key == nil or key ~= key then fail("a field can't be named " .. tostring(key)) end
end

local metatables, shaped_fields = {}, {}
for name, fields in pairs(interface.shapes) do
  local by_name, to_shape = {}, {}
  for _, field in ipairs(fields) do
    local entry = { json = field[2], type = field[3], shape = shaper(field[3]) }
    local embedded = entry.json == ""
    by_name[field[1]] = entry
    if not embedded then by_name[entry.json] = entry end
    if entry.shape and not embedded then to_shape[#to_shape + 1] = entry end
  end
  shaped_fields[name] = to_shape
  metatables[name] = {
    by_name = by_name,
    __metatable = false,
    __index = function(object, key)
      local field = by_name[key]
      if not field then return nil end
      if field.json == "" then return object end
      local value = rawget(object, field.json)
      if value == nil then
        value = zero(field)
        if type(value) == "table" then rawset(object, field.json, value) end
      end
      return value
    end,
    __newindex = function(object, key, value)
      check_name(key)
      local field = by_name[key]
      rawset(object, field and field.json or key, value)
    end,
  }
end

function shaped(object, name)
  if type(object) ~= "table" then return object end
  for _, field in ipairs(shaped_fields[name]) do
    local value = rawget(object, field.json)
    if value ~= nil then rawset(object, field.json, field.shape(value)) end
  end
  return setmetatable(object, metatables[name])
end

-- Userdata -----------------------------------------------------------------

local function decoded(state, name)
  local fields = state.fields
  local ok, value = limited(decode(fields.raw, name))
  if not ok then fail(fields.reference .. ": " .. value) end
  return value
end

-- All of an object's document.
function document(state)
  local known = state.document
  if known and state.read == true then return known end
  local whole = shaped(decoded(state), state.fields.shape)
  if known then
    for name, value in pairs(whole) do
      if rawget(known, name) == nil then rawset(known, name, value) end
    end
  end
  state.document, state.read = known or whole, true
  return state.document
end

-- A field of an object's document.
local function field_of(state, key)
  local known, names = state.document, state.read
  if names == true then return known[key] end
  local shape = metatables[state.fields.shape]
  local field = shape.by_name[key]
  if type(key) ~= "string" or field and field.json == "" then return document(state)[key] end
  if not known then
    known, names = setmetatable({}, shape), {}
    state.document, state.read = known, names
  end
  local name = field and field.json or key
  if not names[name] then
    local value = decoded(state, name)
    if value ~= nil and field and field.shape then value = field.shape(value) end
    rawset(known, name, value)
    names[name] = true
  end
  return known[key]
end

-- `m.config` is the descriptor and `m:config()` the method: the table can be called.
metatables.Descriptor.__call = function(_, ...) return bound["image.config"](...) end

local function index(object, key)
  local state = getfenv(object)
  local fields = state.fields
  local name = interface.methods[state.kind][key]
  local method = name and bound[name]
  if not fields.raw then return method end
  local known = metatables[fields.shape].by_name[key]
  if method and not known then return method end
  local value = field_of(state, key)
  if method and getmetatable(value) ~= false then return method end
  return value
end

local function assign(object, key, value)
  local state = getfenv(object)
  if not state.fields.raw then
    fail("a " .. state.kind .. " has no field to set: " .. tostring(key))
  end
  check_name(key)
  document(state)[key] = value
end

local function text_of(object)
  local fields = getfenv(object).fields
  if fields.text then return fields.text end
  local ok, text = limited(pretty(fields.raw))
  if not ok then fail(text) end
  return text
end

local template = newproxy(true)
local metatable = getmetatable(template)
metatable.__index = index
metatable.__newindex = assign
metatable.__tostring = text_of
metatable.__metatable = false
metatable.__eq = function(a, b) return text_of(a) == text_of(b) end

function construct(kind, value)
  local element = match(kind, "^%[%](.+)$")
  if element then
    for position = 1, #value do value[position] = construct(element, value[position]) end
    return value
  end
  if metatables[kind] then return shaped(value, kind) end
  return setfenv(newproxy(template), { [OURS] = true, kind = kind, fields = value })
end

-- A setter changes a reference in place, and gives a new one for what only stands for one.
function update(object, fields)
  local state = state_of(object)
  if not state or state.kind ~= "reference" then return construct("reference", fields) end
  state.fields = fields
  return object
end

-- A binding that needs no document of the object gets none: `whole` says which.
local function describe(object, whole)
  local state = state_of(object)
  if not state then return "userdata", {} end
  local fields = state.fields
  if whole or not fields.raw then return state.kind, fields end
  local rest = {}
  for name, value in pairs(fields) do
    if name ~= "raw" then rest[name] = value end
  end
  return state.kind, rest
end

return bound, describe
