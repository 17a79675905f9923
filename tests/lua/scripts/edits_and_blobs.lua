-- Edits, puts, blobs: what a script changes, and reads back.
local repo = args.repo

-- A label is added: config, blob, manifest, tag.
local m = manifest.get(repo .. ":old")
local ic = image.config(m)
ic.Config.Labels["tested"] = "yes"
ic.author = "somebody"
local changed = ic:export()
assert(changed.Config.Labels.tested == "yes" and changed.Author == "somebody")
assert(changed.Created == "2021-01-01 00:00:00 +0000 UTC")
assert(image.config(repo .. ":old").Config.Labels.tested == nil)

local digest, size = blob.put(repo, changed)
assert(digest:match("^sha256:%x+$") and size > 0)
m.config.digest = digest
m.Config.Size = size
m.annotations["note"] = "edited"
local digest_of_manifest = m:export():put(repo .. ":edited")
assert(digest_of_manifest == manifest.head(repo .. ":edited").Digest)
local back = manifest.get(repo .. ":edited")
assert(back.Annotations.note == "edited" and back:config().Config.Labels.tested == "yes")
assert(back.Layers[1].Digest == m.Layers[1].Digest)

-- Without an edit the bytes are the same; a retag keeps the digest.
local untouched = manifest.getList(repo .. ":multi")
assert(untouched:export():descriptor().Digest == untouched:descriptor().Digest)
assert(manifest.put(untouched, repo .. ":again") == untouched:descriptor().Digest)
local looked = manifest.get(repo .. ":new")
local _ = looked.annotations.x, looked.Subject, looked.layers[1].annotations.y
assert(looked:export():descriptor().Digest == looked:descriptor().Digest)

-- Blobs.
local layer = m.Layers[1]
local b = blob.get(repo, layer.Digest)
assert(b:size() == layer.Size and #b:content() == layer.Size)
assert(blob.head(repo, layer.digest):size() == layer.Size)
local text_digest, text_size = blob.put(repo, "a\0b")
assert(text_size == 3 and blob.get(repo, text_digest):content() == "a\0b")
assert(select(2, blob.put(repo, b)) == layer.Size)
assert(select(1, b:put("other")):match("^sha256:"))
local ok, message = pcall(blob.get, repo, "sha256:" .. ("0"):rep(64))
assert(not ok and message:find("blob.get", 1, true), message)
ok, message = pcall(blob.get, repo .. ":old")
assert(not ok and message:find("the digest of the blob is missing", 1, true), message)

-- Sizes, dates, limits, referrers.
assert(image.created(repo .. ":old") == time.parse("2021-01-01T00:00:00Z"))
assert(image.created(repo .. ":undated") == nil)
local config_size = manifest.get(repo .. ":old").Config.Size
assert(image.size(repo .. ":old") == layer.Size + config_size)
assert(image.size(repo .. ":multi") > image.size(repo .. ":old"))
local rate = m:ratelimit()
assert(rate.Set == false and rate.Remain == 0 and #rate.Policies == 0)
assert(image.ratelimitWait(repo .. ":old", 100) == true and m:ratelimitWait(5) == true)
assert(#referrer.ls(repo .. ":old") == 0)

-- Copies, within a folder and to another.
image.copy(repo .. ":old", repo .. ":copied")
assert(manifest.head(repo .. ":copied").Digest == manifest.head(repo .. ":old").Digest)
local other = repo .. "-other"
image.copy(repo .. ":multi", other .. ":multi")
assert(manifest.head(other .. ":multi").Digest == manifest.head(repo .. ":multi").Digest)
image.copy(repo .. ":multi", other .. ":some", {platforms = {"linux/arm64"}, forceRecursive = true})

-- Archives.
image.exportTar(repo .. ":multi", "multi.tar")
image.importTar(repo .. ":imported", "multi.tar")
assert(manifest.head(repo .. ":imported").Digest == manifest.head(repo .. ":multi").Digest)
for _, outside in ipairs({"../x.tar", "/etc/x.tar", "a/../../x.tar", "link/x.tar", ""}) do
  ok, message = pcall(image.exportTar, repo .. ":old", outside)
  assert(not ok, outside)
end

-- Modules.
local helper = require("helper")
assert(helper.double(21) == 42 and require("helper") == helper)
assert(require("folder.inner") == true)
for _, name in ipairs({"../helper", "missing", "/etc/passwd", "link"}) do
  assert(not pcall(require, name), name)
end
ok, message = pcall(require, "broken")
assert(not ok and message:find("broken.lua:1:", 1, true), message)

-- A delete that spares what is tagged.
ok, message = pcall(m.delete, manifest.get(repo .. ":copied"), {unlessTagged = true})
assert(not ok and message:find("old", 1, true), message)
tag.delete(repo .. ":edited")
