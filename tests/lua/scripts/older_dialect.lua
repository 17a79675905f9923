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
