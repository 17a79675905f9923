local found = {}
for _, name in ipairs(tag.ls(args.repo)) do
  -- A descriptor is had by a HEAD: nothing is pulled.
  if manifest.descriptor(reference.new(args.repo):tag(name)).Digest == args.digest then
    table.insert(found, name)
  end
end

table.sort(found)
log(#found .. " tags are on " .. args.digest .. ": " .. table.concat(found, " "))
return found
