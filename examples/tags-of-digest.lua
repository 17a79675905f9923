local tags = {}
for _, name in ipairs(tag.ls(args.repo)) do
  -- Reading the descriptor takes a HEAD request and no pull.
  if manifest.descriptor(reference.new(args.repo):tag(name)).Digest == args.digest then
    table.insert(tags, name)
  end
end

table.sort(tags)
log(#tags .. " tags have the digest " .. args.digest .. ": " .. table.concat(tags, " "))
return tags
