-- What is put together: tags, indexes, artifacts; and what is told of images.
local here, copy_all = args.repo, repo.copy

assert(digest.of("hi\n") == "sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4")
assert(not pcall(digest.of, "x", "md5"))

-- Another tag on the same manifest.
local old = image.digest(here .. ":old")
assert(tag.add(here .. ":old", "older") == old)
assert(image.digest(here .. ":older") == old)

-- Patterns fit whole names.
assert(table.concat(tag.ls(here, {include = {"old.*"}, exclude = "older"}), " ") == "old")
tag.delete(here .. ":no-such-tag", {ignoreMissing = true})
assert(not pcall(tag.delete, here .. ":no-such-tag"))

-- One table with all there is to know.
local about = image.inspect(here .. ":old")
assert(about.digest == old and about.image == old and about.config.Labels.team == "web")
assert(about.size > 0 and about.layers[1].digest:match("^sha256:"))
local arm = image.digest(here .. ":multi", "linux/arm64")
assert(image.inspect(here .. ":multi", "linux/arm64").image == arm)

-- Differences.
assert(manifest.diff(here .. ":old", here .. ":older") == "")
local difference = manifest.diff(here .. ":old", here .. ":new", {lines = 1})
assert(difference:match("^%-%-%- .-:old\n%+%+%+ .-:new\n@@ "))

-- An index of images for two of three platforms, which grows and shrinks.
local two = {"linux/amd64", "linux/arm64"}
index.create(here .. ":two", {refs = {here .. ":multi"}, platforms = two, annotations = {a = "b"}})
local made = manifest.getList(here .. ":two")
assert(#made.Manifests == 2 and made.Annotations.a == "b")
assert(made.Manifests[2].Digest == arm and made.Manifests[2].Platform.Architecture == "arm64")
index.add(here .. ":two", {refs = {here .. ":multi"}, platforms = {"linux/s390x"}})
index.remove(here .. ":two", {digests = {arm}})
made = manifest.getList(here .. ":two")
assert(#made.Manifests == 2 and made.Manifests[2].Platform.Architecture == "s390x")
assert(not pcall(index.remove, here .. ":two", {digests = {arm}}))
assert(not pcall(index.add, here .. ":old", {refs = {here .. ":new"}}))

-- An artifact beside an image, and its content.
local kind = {artifactType = "text/plain", subject = here .. ":old"}
local noted = artifact.put(nil, "a note", kind)
assert(referrer.ls(here .. ":old")[1].Digest == noted)
local file = artifact.get(nil, {subject = here .. ":old", artifactType = "text/plain"})[1]
assert(file.MediaType == "text/plain" and blob.get(here, file.Digest):content() == "a note")
local tree = referrer.tree(here .. ":old")
assert(tree.digest == old and tree.referrers[1].digest == noted)
assert(#referrer.tree(here .. ":multi").manifests == 3)

-- The image of one platform, and whole repositories.
image.copy(here .. ":multi", here .. "-other:arm", {platform = "linux/arm64"})
assert(image.digest(here .. "-other:arm") == arm)
assert(#copy_all(here, here .. "-all", {include = {"old.*"}}) == 2)
assert(image.digest(here .. "-all:older") == old)
assert(blob.copy(here, here .. "-all", file.Digest) == file.Digest)
