-- Names: docker's defaults, getters, setters, copies.
local ref = reference.new("alpine")
assert(type(ref) == "userdata")
assert(tostring(ref) == "docker.io/library/alpine:latest")
assert(ref:tag() == "latest" and ref:digest() == "")

local digest = "sha256:" .. ("a"):rep(64)
assert(ref:digest(digest) == ref)
assert(ref:tag() == "" and ref:digest() == digest)
assert(tostring(ref) == "docker.io/library/alpine@" .. digest)
assert(ref:tag("3.20") == ref)
assert(ref:digest() == "" and ref:tag() == "3.20")

local copy = reference.new(ref)
copy:tag("other")
assert(ref:tag() == "3.20" and copy:tag() == "other")

assert(tostring(reference.new("localhost:5000/a/b:c")) == "localhost:5000/a/b:c")
assert(tostring(reference.new("[::1]:5000/a:b")) == "[::1]:5000/a:b")
assert(tostring(reference.new("ocidir:///tmp/x:y")) == "ocidir:///tmp/x:y")
assert(reference.new("a:b") == reference.new("docker.io/library/a:b"))

local ok, message = pcall(reference.new, "UPPER")
assert(not ok and message:find("'U' at column 1", 1, true), message)
ref:close()
reference.close(ref)
