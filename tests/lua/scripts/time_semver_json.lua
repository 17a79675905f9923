-- Times.
assert(time.parse("2021-01-01T00:00:00Z") == 1609459200)
assert(time.parse("2021-01-01 00:00:00 +0000 UTC") == 1609459200)
assert(time.parse("2021-01-01T02:00:00+02:00") == 1609459200)
assert(time.parse("2021-01-01 02:00:00 +0200 CEST") == 1609459200)
assert(time.parse("2021-01-01") == 1609459200)
assert(time.parse("2021-01-01T00:00:00.25Z") == 1609459200.25)
assert(time.format(1609459200) == "2021-01-01T00:00:00Z")
assert(time.format(1609459200.5) == "2021-01-01T00:00:00.5Z")
assert(time.format(1609459200, "%Y-%m-%d") == "2021-01-01")
assert(time.duration("30d") == 30 * 24 * 3600 and time.duration("1h15m") == 4500)
assert(math.abs(time.now() - os.time()) < 5)
assert(not pcall(time.parse, "yesterday") and not pcall(time.parse, "2021-13-01"))
assert(not pcall(time.duration, "soon"))
local ic = image.config(args.repo .. ":old")
assert(time.parse(ic.Created) == 1609459200)

-- Versions.
local v = semver.parse("v1.2.3-rc.1+build.5")
assert(v.major == 1 and v.minor == 2 and v.patch == 3 and v.prefix == "v")
assert(v.prerelease == "rc.1" and v.build == "build.5" and v.variant == nil)
assert(semver.parse("1.2.3").prerelease == nil and tostring(v) == "v1.2.3-rc.1+build.5")
assert(semver.parse("1.2").patch == 0 and semver.parse("7").major == 7)
assert(semver.parse("1.2.3-alpine", {variant = true}).variant == "alpine")
assert(semver.parse("latest") == nil and semver.parse("1.2.3.4") == nil and semver.parse("01.2.3") == nil)
assert(semver.compare("1.10.0", "1.9.0") == 1 and semver.compare("v1.0.0", "1.0.0") == 0)
assert(semver.compare("1.0.0-rc.1", "1.0.0") == -1)
assert(semver.compare("1.0.0-alpine", "1.0.0", {variant = true}) == 1)
local sorted = semver.sort({"v1.10.0", "v1.9.0", "v2.0.0-rc.1", "v1.9.1", "v2.0.0"})
assert(table.concat(sorted, " ") == "v1.9.0 v1.9.1 v1.10.0 v2.0.0-rc.1 v2.0.0")
assert(semver.sort({"1.0.0", "2.0.0"}, {newest_first = true})[1] == "2.0.0")
assert(#semver.sort({}) == 0)
assert(not pcall(semver.sort, {"latest"}))
for _, case in ipairs({
  {"1.2.3", ">=1.2 <2", true}, {"2.0.0", ">=1.2 <2", false}, {"1.2.3", "^1.2", true},
  {"1.9.9", "^1.2", true}, {"2.0.0", "^1.2", false}, {"0.2.9", "^0.2.3", true},
  {"0.3.0", "^0.2.3", false}, {"1.2.9", "~1.2.3", true}, {"1.3.0", "~1.2.3", false},
  {"1.3.0", "~1", true}, {"1.7.0", "1.x", true}, {"2.0.0", "1.x", false}, {"3.0.0", "*", true},
  {"3.1.0", "1.x || ^3.1", true}, {"1.2.3", "1.2.3", true}, {"1.2.4", "1.2.3", false},
  {"1.2.3-rc.1", ">=1.0", false}, {"1.2.3-rc.2", ">=1.2.3-rc.1", true}, {"v1.2.3", "1.2", true},
  {"1.3.0", ">1.2", true}, {"1.2.9", ">1.2", false}, {"1.2.9", "<=1.2", true},
  {"1.2.3", "!=1.2.3", false},
}) do
  assert(semver.satisfies(case[1], case[2]) == case[3], case[1] .. " " .. case[2])
end
assert(not pcall(semver.satisfies, "1.0.0", "newest"))
assert(not pcall(semver.satisfies, "1.0.0", ""))

-- JSON.
local t = json.decode('{"a": [1, 2.5, "x", true, null], "b": {}}')
assert(t.a[1] == 1 and t.a[2] == 2.5 and t.a[3] == "x" and t.a[4] == true and #t.a >= 4)
assert(json.encode({1, 2, 3}) == "[1,2,3]")
assert(json.encode({a = 1}) == '{"a":1}' and json.encode("é") == '"é"' and json.encode(nil) == "null")
assert(json.encode({a = {1}}, {indent = true}) == '{\n  "a": [\n    1\n  ]\n}')
assert(json.decode(json.encode("\0\255")) == "\0\255")
assert(not pcall(json.decode, "{") and not pcall(json.decode, "NaN"))
assert(json.decode("[9223372036854775807, -9223372036854775808]")[1] > 9e18)
assert(json.decode([["\ud83d\ude00\\ud800"]]) == "\240\159\152\128\\ud800")
assert(json.encode({r = reference.new("a:b")}) == '{"r":"docker.io/library/a:b"}')
assert(json.encode(reference.new("a:b")) == '"docker.io/library/a:b"')
assert(require("semver") == semver and require("json") == json and require("lunajson") == json)

-- Versions as values.
local version = require "semver"
assert(version("1.2.3") < version("1.10.0") and version("1.2.3") <= version("1.2.3"))
assert(version("1.2.3") == version("v1.2.3") and version("1.0.0-rc.1") < version("1.0.0"))
assert(version("1.2.3") > version("1.2.3-rc.1") and version("1.2").minor == 2)
assert(version(1, 2, 3) == version("1.2.3") and version(1.2) == version("1.2.0"))
assert(semver.parse("1.0.0-b", {variant = true}) > semver.parse("1.0.0-a", {variant = true}))
local made, problem = pcall(version, "latest")
assert(not made and problem:find("semver: 'latest' is not a version", 1, true), problem)
assert(version("1.2.3-alpine", {variant = true}).variant == "alpine")
