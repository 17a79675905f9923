-- Calls every function with odd arguments, and does odd things to every object. Gives the
-- number of calls, and the errors that are no text or not at a line of this script.
local repo = args.repo
local m, ic = manifest.get(repo .. ":old"), image.config(repo .. ":old")
local blob_of_layer = blob.get(repo, m.Layers[1].Digest)

local broken = setmetatable({}, {
  __index = function() error("no index") end,
  __tostring = function() return 5 end,
})
local values = {
  false, true, 0, -1, 2 ^ 60, 0 / 0, 1 / 0, "", "x", repo .. ":old", ("x"):rep(5000), "\255\0",
  {}, { 1, 2 }, { a = 1 }, { [1] = 1, [3] = 3 }, { { { } } }, { limit = 1 }, { reason = {} },
  print, coroutine.create(function() end), broken, reference.new(repo .. ":old"), m, ic,
  manifest.head(repo .. ":old"), blob_of_layer, semver.parse("1.2.3"), m.config, ic.History,
}

local calls, wrong = 0, {}
local function try(name, action, ...)
  calls = calls + 1
  local ok, message = pcall(action, ...)
  local fine = type(message) == "string" and message:find("^[%w-]+:%d+: ") ~= nil
  if not ok and not (fine and not message:find("regbot:", 1, true)) then
    wrong[#wrong + 1] = name .. ": " .. tostring(message):sub(1, 200)
  end
end

-- A pcall in the tail of a function has no line, so each call is made from one that has.
local function try_all(name, f)
  local function call(...) local result = f(...) return result end
  try(name, call)
  for _, first in ipairs(values) do
    try(name, call, first)
    for place = 1, #values, 4 do try(name, call, first, values[place]) end
  end
end

for _, namespace in ipairs({
  "log", "reference", "repo", "tag", "manifest", "image", "blob", "referrer", "time", "semver",
  "json", "config",
}) do
  for member, f in pairs(_G[namespace]) do
    if type(f) == "function" and member ~= "ratelimitWait" then
      try_all(namespace .. "." .. member, f)
    end
  end
end
try_all("require", require)
try_all("log", log)
try_all("os.getenv", os.getenv)
try_all("semver", function(...) local version = semver(...) return version end)
try_all("load", load)
try_all("xpcall", function(...) local ok = xpcall(...) return ok end)
try_all("coroutine.wrap", coroutine.wrap)
try_all("coroutine.resume", coroutine.resume)

-- Odd keys and values of objects and of what is in them.
for _, object in ipairs({ m, ic, m.config, ic.Config, ic.History, blob_of_layer, semver("1.2.3") }) do
  try("index nil", function() object[nil] = 1 end)
  try("index nan", function() object[0 / 0] = 1 end)
  try("call", function() local result = object(1) return result end)
  try("compare", function() return object < object end)
  for _, key in ipairs(values) do
    try("read", function() local value = object[key] return value end)
    for _, value in ipairs(values) do try("write", function() object[key] = value end) end
    try("text", function() local text = tostring(object) return text end)
  end
end
for _, key in ipairs({ "config", "Config", "layers", "annotations", "created", "history", "os" }) do
  for _, object in ipairs({ m, ic }) do
    for _, value in ipairs(values) do
      object[key] = value
      try("export", function() local made = object:export() return made end)
      try("config", function() local made = object:config() return made end)
    end
  end
end
local version = semver("1.2.3")
for _, value in ipairs(values) do
  for _, part in ipairs({ "major", "prerelease", "build", "variant" }) do
    version[part] = value
    try("version", function() return version < semver("1.0"), tostring(version) end)
  end
end
return calls, wrong
