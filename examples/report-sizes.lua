-- Adds the size of every blob of an image, by digest, so that shared layers count once.
local function add(blobs, ref)
  local m = manifest.getList(ref)
  for _, child in ipairs(m.Manifests or {}) do
    local part = reference.new(ref):digest(child.Digest)
    -- A mirror may have an index without the images of every platform.
    if manifest.exists(part) then add(blobs, part) end
  end
  for _, layer in ipairs(m.Layers or {}) do blobs[layer.Digest] = layer.Size end
  if m.Config then blobs[m.Config.Digest] = m.Config.Size end
end

local report = {}
for _, name in ipairs(repo.ls(args.registry)) do
  local tags, blobs, bytes = tag.ls(args.registry .. "/" .. name), {}, 0
  for _, t in ipairs(tags) do
    add(blobs, reference.new(args.registry .. "/" .. name):tag(t))
  end
  for _, size in pairs(blobs) do bytes = bytes + size end
  table.insert(report, {repository = name, tags = #tags, bytes = bytes})
end

table.sort(report, function(a, b)
  if a.bytes ~= b.bytes then return a.bytes > b.bytes end
  return a.repository < b.repository
end)
for _, line in ipairs(report) do
  log(line.repository, {tags = line.tags, megabytes = math.ceil(line.bytes / 1e6)})
end
return report
