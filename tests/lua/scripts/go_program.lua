-- What scripts written for the Go program rely on.
local repo = args.repo

-- Extra arguments are ignored, such as the count that gsub gives.
assert(tostring(reference.new(("a_b"):gsub("_", "-"))) == "docker.io/library/a-b:latest")
log(("a"):gsub("a", "b"))
local old = repo .. ":old"
assert(manifest.get(old:gsub("x", "x")).MediaType == manifest.get(old).MediaType)
assert(#tag.ls(repo:gsub("x", "x")) == #tag.ls(repo))
image.copy(old, (repo .. ":copy!1"):gsub("!", "-"))
assert(manifest.exists(repo .. ":copy-1"))
manifest.put(manifest.get(old), (repo .. ":put!1"):gsub("!", "-"))
tag.delete((repo .. ":put!1"):gsub("!", "-"))
assert(tag.ls(repo, {limit = 2}, "more", nil, 3)[2])
local ok, message = pcall(image.copy, old, repo .. ":x", {digestTag = true})
assert(not ok and message:find("unknown option 'digestTag'", 1, true), message)

-- A number is text where text belongs.
assert(reference.new("a"):tag(7):tag() == "7")

-- Fields that Go embeds.
local m, ic = manifest.get(old), image.config(old)
assert(ic.Platform.OS == "linux" and ic.Platform.Architecture == "amd64")
assert(m.Versioned.SchemaVersion == 2 and m.Versioned.MediaType == m.MediaType)
assert(manifest.getList(repo .. ":multi").Versioned.SchemaVersion == 2)
ic.Platform.OS = "plan9"
assert(ic:export().os == "plan9")
assert(m.config.digest == m.Config.Digest and m:config().Config.Labels.team == "web")
local fields = 0
for _ in pairs(m.config) do fields = fields + 1 end
assert(fields >= 3)

-- A reference, a text or a config as the source retags.
local digest = manifest.head(old).Digest
assert(manifest.put(old, repo .. ":rc1") == digest)
assert(manifest.put(reference.new(old), repo .. ":rc2") == digest)
assert(manifest.put(image.config(old), repo .. ":rc3") == digest)
assert(manifest.put(manifest.head(old), repo .. ":rc4") == digest)
local multi = repo .. ":multi"
local arm = manifest.get(multi, "linux/arm64")
assert(manifest.put(image.config(multi, "linux/arm64"), repo .. ":arm") == arm:descriptor().Digest)
assert(manifest.put(multi, repo .. ":rc5") == manifest.head(multi).Digest)
for n = 1, 4 do assert(manifest.head(repo .. ":rc" .. n).Digest == digest) end
