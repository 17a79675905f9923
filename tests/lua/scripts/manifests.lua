-- Manifests, indexes and configs under Go and JSON names.
local repo = args.repo

local tags = tag.ls(repo)
table.sort(tags)
assert(table.concat(tags, " ") == "multi new old same-as-old undated", table.concat(tags, " "))
assert(#tag.ls(repo, {limit = 2}) == 2)
assert(tag.ls(repo, {last = "old"})[1] == "same-as-old")
local seen = 0
for _, _ in pairs(tags) do seen = seen + 1 end
assert(seen == 5)

local m = manifest.get(repo .. ":old")
assert(type(m) == "userdata")
assert(m.MediaType == m.mediaType and m.MediaType:find("manifest.v1", 1, true))
assert(m.Layers[1].Digest == m.layers[1].digest and #m.Layers == 1)
assert(m.Config.Digest == m.config.digest)
assert(m.SchemaVersion == 2)
assert(m.Annotations["missing"] == nil and m.annotations.missing == nil)
assert(m.Subject == nil and m.ArtifactType == "" and m.nothing == nil)

local d = m:descriptor()
assert(d.MediaType == m.MediaType and d.Digest:match("^sha256:%x+$") and d.Size > 0)
assert(d.URLs[1] == nil and d.Platform == nil)
assert(manifest.descriptor(repo .. ":old").Digest == d.Digest)

local head = manifest.head(repo .. ":old")
assert(head.Digest == d.Digest and head.Size == d.Size)
assert(head:get().MediaType == m.MediaType)

local list = manifest.getList(repo .. ":multi")
assert(#list.Manifests == 3 and list.manifests[2].platform.architecture == "arm64")
assert(list.Manifests[2].Platform.Architecture == "arm64" and list.Manifests[1].Platform.OS == "linux")
assert(list.Annotations.note == "an index")

for _, arch in ipairs {"amd64", "arm64", "s390x"} do
  local one = manifest.get(repo .. ":multi", "linux/" .. arch)
  assert(one:config().Config.Labels.arch == arch)
  assert(image.config(repo .. ":multi", "linux/" .. arch).config.Labels.arch == arch)
end
local ok, message = pcall(manifest.get, repo .. ":multi", "linux/riscv64")
assert(not ok and message:find("linux/amd64, linux/arm64, linux/s390x", 1, true), message)

local ic = image.config(m)
assert(ic.Config.Labels["team"] == "web" and ic.config.Labels.team == "web")
assert(ic.Config.Labels["$"] == "reference")
assert(ic.Created == "2021-01-01 00:00:00 +0000 UTC" and ic.created == ic.Created)
assert(ic.OS == "linux" and ic.os == "linux" and ic.Architecture == "amd64")
assert(ic.RootFS.DiffIDs[1] == ic.rootfs.diff_ids[1])
assert(#ic.History == 0 and #ic.Config.Env == 0 and ic.Config.User == "" and ic.Author == "")
assert(image.config(repo .. ":new").Created == "2024-05-06 07:08:09.123456789 +0200 +0200")
assert(image.config(repo .. ":undated").Created == nil)

-- The older names.
assert(image.manifest(repo .. ":old").MediaType == m.MediaType)
assert(#image.manifestList(repo .. ":multi").Manifests == 3)
assert(image.manifestHead(repo .. ":old").Digest == d.Digest)

-- Objects stand for the reference they came from.
assert(tostring(reference.new(m)) == repo .. ":old")
assert(tostring(reference.new(ic)) == repo .. ":old")

assert(tostring(m):find('\n  "layers": [', 1, true))
assert(tostring(ic):find('"team": "web"', 1, true))

-- Fields can be set, under either name; nothing is stored by that.
m.Annotations.x = "y"
m.artifactType = "a/b"
assert(m.annotations.x == "y" and m.ArtifactType == "a/b")
ic.Config.Labels.team = "other"
assert(ic.config.Labels.team == "other")
assert(image.config(repo .. ":old").Config.Labels.team == "web")

-- What is there, and what is not; any other answer is no answer.
assert(manifest.exists(repo .. ":old") and manifest.exists(m))
assert(manifest.exists(repo .. "@" .. d.Digest))
assert(manifest.exists(repo .. ":nothing") == false)
assert(manifest.exists(repo .. "@sha256:" .. ("0"):rep(64)) == false)
