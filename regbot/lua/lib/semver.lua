-- Versions as values: compared with < and ==, and made by calling the module itself,
-- as in local semver = require "semver"; semver("1.2.3") < semver("1.10.0").
--
-- semver is the module's table, with what its bindings put there.

local semver, fail = ...

local setmetatable, select, type, tostring = setmetatable, select, type, tostring
local concat = table.concat
local parse, compare = semver.parse, semver.compare

local metatable = { __metatable = false }

local function text_of(version)
  local numbers = concat({ version.major, version.minor, version.patch }, ".")
  local suffix = version.variant or version.prerelease
  return (version.prefix or "")
    .. numbers
    .. (suffix and "-" .. suffix or "")
    .. (version.build and "+" .. version.build or "")
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
  __call = function(_, text, ...)
    local given = type(text) == "number" and select("#", ...) > 0 and concat({ text, ... }, ".")
    local version = semver.parse(given or text)
    if not version then fail("semver: " .. tostring(text) .. " is not a version such as 1.2.3") end
    return version
  end,
})
