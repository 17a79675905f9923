-- Versions as values: compared with < and ==, and made by calling the module itself,
-- as in local semver = require "semver"; semver("1.2.3") < semver("1.10.0").
--
-- semver is the module's table, with its bindings, and read the one that has its name.

local semver, read = ...

local setmetatable, type, tostring = setmetatable, type, tostring
local parse, compare = semver.parse, semver.compare

local metatable = { __metatable = false }

local function text_of(version)
  local text = (version.prefix and tostring(version.prefix) or "")
  local major, minor, patch = version.major, version.minor, version.patch
  text = text .. tostring(major) .. "." .. tostring(minor) .. "." .. tostring(patch)
  local suffix = version.variant or version.prerelease
  if suffix then text = text .. "-" .. tostring(suffix) end
  if version.build then text = text .. "+" .. tostring(version.build) end
  return text
end

local function difference(a, b)
  local variant = type(a) == "table" and a.variant ~= nil or type(b) == "table" and b.variant ~= nil
  return compare(tostring(a), tostring(b), { variant = variant })
end

metatable.__tostring = text_of
metatable.__eq = function(a, b) return difference(a, b) == 0 end
metatable.__lt = function(a, b) return difference(a, b) < 0 end
metatable.__le = function(a, b) return difference(a, b) <= 0 end

function semver.parse(text, options)
  local version = parse(text, options)
  return version and setmetatable(version, metatable)
end

return setmetatable(semver, {
  __metatable = false,
  __call = function(_, major, minor, patch)
    local numbers = type(major) == "number" and type(minor) == "number"
    if not numbers then return setmetatable(read(major, minor), metatable) end
    return setmetatable(read(major .. "." .. minor .. "." .. tostring(patch or 0)), metatable)
  end,
})
