-- Lua 5.1 as scripts for the Go program use it.
local count = 0
for k, t in pairs(tag.ls(args.repo)) do count = count + k end
assert(count == 15)
assert(select("#", unpack({1, 2, 3})) == 3)
assert(table.getn({1, 2}) == 2)
assert(os.date("!%Y-%m-%dT%H:%M:%SZ", 0) == "1970-01-01T00:00:00Z")
assert(os.time() > 1600000000 and os.difftime(2, 1) == 1 and os.clock() >= 0)

function string.trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end
assert((" x "):trim() == "x")

local ok, message = pcall(function() error "text" end)
assert(not ok and message:find("text$"))
ok, message = pcall(function() error("text", 0) end)
assert(message == "text")
local called, handled = xpcall(function() error("a", 0) end, function(e) return e .. "b" end)
assert(called == false and handled == "ab")
assert(select("#", xpcall(function() return 1, nil, nil end, print)) == 4)

local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
assert(co(1) == 2 and co(21) == 42)
assert(collectgarbage("count") > 0 and collectgarbage() == 0)
assert(not pcall(collectgarbage, "stop"))

-- Dates of labels are compared as text, as the Go program's own examples do.
local limit = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 30 * 24 * 60 * 60)
assert(#limit == 20 and limit:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$"))
assert("2021-01-01T00:00:00Z" < limit and not (os.date("!%Y-%m-%dT%H:%M:%SZ") < limit))
local aged = 0
for _, t in pairs(tag.ls(args.repo)) do
  local made = image.config(args.repo .. ":" .. t).Created
  if made and made < limit then aged = aged + 1 end
end
assert(aged == 4, aged)
assert(not pcall(function() return nil < limit end))

-- Functions of `string` are methods of every text, those a script adds too.
assert(("%s-%d"):format("a", 7) == "a-7" and ("build-7"):match("^build%-(%d+)$") == "7")
assert(string.find("a.b", ".", 1, true) == 2 and ("abc"):sub(-1):upper() == "C")
assert(table.concat({unpack({"a", "b", "c"}, 2)}, " ") == "b c")

-- An error may be any value, and is caught as it was raised.
local thrown = {code = 7}
local _, caught = pcall(error, thrown)
assert(caught == thrown)
ok, message = pcall(tag.ls, "A B")
assert(not ok and type(message) == "string" and message:find("tag.ls", 1, true))

-- `goto` is a keyword where Lua is LuaJIT, and an ordinary name in plain 5.1.
local jump = loadstring("for i = 1, 3 do if i == 2 then goto continue end n = (n or 0) + i ::continue:: end")
if jump then
  jump()
  assert(n == 4)
else
  assert(loadstring("local goto = 1 return goto")() == 1)
end
assert(setfenv and getfenv and loadstring("return ...")(5) == 5)
