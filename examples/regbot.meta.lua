---@meta
-- Made from regbot's own declarations; for editors, never run.

---@class regbot.DescriptorFields
---@field MediaType string
---@field mediaType string
---@field Digest string
---@field digest string
---@field Size integer
---@field size integer
---@field URLs string[]
---@field urls string[]
---@field Annotations table<string, any>
---@field annotations table<string, any>
---@field Data string
---@field data string
---@field Platform regbot.PlatformFields?
---@field platform regbot.PlatformFields?
---@field ArtifactType string
---@field artifactType string

---@class regbot.PlatformFields
---@field Architecture string
---@field architecture string
---@field OS string
---@field os string
---@field OSVersion string
---@field ["os.version"] string
---@field OSFeatures string[]
---@field ["os.features"] string[]
---@field Variant string
---@field variant string
---@field Features string[]
---@field features string[]

---@class regbot.VersionedFields
---@field SchemaVersion integer
---@field schemaVersion integer
---@field MediaType string
---@field mediaType string

---@class regbot.ManifestFields
---@field SchemaVersion integer
---@field schemaVersion integer
---@field MediaType string
---@field mediaType string
---@field Versioned regbot.VersionedFields
---@field ArtifactType string
---@field artifactType string
---@field Config regbot.DescriptorFields
---@field config regbot.DescriptorFields
---@field Layers regbot.DescriptorFields[]
---@field layers regbot.DescriptorFields[]
---@field Subject regbot.DescriptorFields?
---@field subject regbot.DescriptorFields?
---@field Annotations table<string, any>
---@field annotations table<string, any>

---@class regbot.IndexFields
---@field SchemaVersion integer
---@field schemaVersion integer
---@field MediaType string
---@field mediaType string
---@field Versioned regbot.VersionedFields
---@field ArtifactType string
---@field artifactType string
---@field Manifests regbot.DescriptorFields[]
---@field manifests regbot.DescriptorFields[]
---@field Subject regbot.DescriptorFields?
---@field subject regbot.DescriptorFields?
---@field Annotations table<string, any>
---@field annotations table<string, any>

---@class regbot.Schema1Fields
---@field SchemaVersion integer
---@field schemaVersion integer
---@field MediaType string
---@field mediaType string
---@field Versioned regbot.VersionedFields
---@field Manifest regbot.Schema1Fields
---@field Name string
---@field name string
---@field Tag string
---@field tag string
---@field Architecture string
---@field architecture string
---@field FSLayers table<string, any>[]
---@field fsLayers table<string, any>[]
---@field History table<string, any>[]
---@field history table<string, any>[]

---@class regbot.ImageFields
---@field Created string?
---@field created string?
---@field Author string
---@field author string
---@field Architecture string
---@field architecture string
---@field OS string
---@field os string
---@field OSVersion string
---@field ["os.version"] string
---@field OSFeatures string[]
---@field ["os.features"] string[]
---@field Variant string
---@field variant string
---@field Features string[]
---@field features string[]
---@field Platform regbot.PlatformFields
---@field Config regbot.ImageConfigFields
---@field config regbot.ImageConfigFields
---@field RootFS regbot.RootFSFields
---@field rootfs regbot.RootFSFields
---@field History regbot.HistoryFields[]
---@field history regbot.HistoryFields[]

---@class regbot.ImageConfigFields
---@field User string
---@field ExposedPorts table<string, any>
---@field Env string[]
---@field Entrypoint string[]
---@field Cmd string[]
---@field Volumes table<string, any>
---@field WorkingDir string
---@field Labels table<string, any>
---@field StopSignal string
---@field StopTimeout integer
---@field Shell string[]
---@field ArgsEscaped boolean
---@field OnBuild string[]

---@class regbot.RootFSFields
---@field Type string
---@field type string
---@field DiffIDs string[]
---@field diff_ids string[]

---@class regbot.HistoryFields
---@field Created string?
---@field created string?
---@field CreatedBy string
---@field created_by string
---@field Author string
---@field author string
---@field Comment string
---@field comment string
---@field EmptyLayer boolean
---@field empty_layer boolean

---@class regbot.Reference
local reference_object = {}

---@class regbot.Manifest : regbot.ManifestFields, regbot.IndexFields
local manifest_object = {}

---@class regbot.Config : regbot.ImageFields
local config_object = {}

---@class regbot.Blob
local blob_object = {}

---@type table<string, any>
args = {}

blob = {}
config = {}
image = {}
json = {}
log = {}
manifest = {}
os = {}
parallel = {}
reference = {}
referrer = {}
repo = {}
retention = {}
semver = {}
tag = {}
time = {}

---Write a line at level info to the log, with the script's name. A message of more than 64 KiB is cut.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log(message, fields) end

---Write a line at level debug to the log, with the script's name. A message of more than 64 KiB is cut.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.debug(message, fields) end

---Write a line at level info to the log, with the script's name. A message of more than 64 KiB is cut.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.info(message, fields) end

---Write a line at level warn to the log, with the script's name. A message of more than 64 KiB is cut.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.warn(message, fields) end

---Write a line at level error to the log, with the script's name. A message of more than 64 KiB is cut.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.error(message, fields) end

---Write a line to standard output, with tabs between several values; with regbot run --json to standard error, since the result is on standard output. A line may be as long as the config's blobLimit.
---@param ... string any values
function print(...) end

---A reference from text, with docker.io, library and latest filled in as docker does; from another reference, a copy.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text or a reference
---@return regbot.Reference
function reference.new(ref) end

---Get the tag, empty when unset; or set it, which clears the digest, and give the reference back.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
---@param tag? string the new tag
---@return string|regbot.Reference
function reference.tag(ref, tag) end

---Get the tag, empty when unset; or set it, which clears the digest, and give the reference back.
---@param tag? string the new tag
---@return string|regbot.Reference
function reference_object:tag(tag) end

---Get the digest, empty when unset; or set it, which clears the tag, and give the reference back.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
---@param digest? string the new digest
---@return string|regbot.Reference
function reference.digest(ref, digest) end

---Get the digest, empty when unset; or set it, which clears the tag, and give the reference back.
---@param digest? string the new digest
---@return string|regbot.Reference
function reference_object:digest(digest) end

---Does nothing: scripts for the Go program say so when they are done with a layout folder, which is cleaned up at the end of the run.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
function reference.close(ref) end

---Does nothing: scripts for the Go program say so when they are done with a layout folder, which is cleaned up at the end of the run.
function reference_object:close() end

---The names of a registry's repositories. Some registries don't list them, such as Docker Hub.
---@param host string the registry, host[:port]
---@param options? {limit?: integer, last?: string}
---@return string[]
function repo.ls(host, options) end

---The tags of a repository, all of them unless limit is given.
---@param repo string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository; a tag in it is ignored
---@param options? {limit?: integer, last?: string}
---@return string[]
function tag.ls(repo, options) end

---Delete one tag. Other tags of the digest stay. A tag that moved since the script looked at it, or copied or exported it, is skipped with a warning, and so is one in use. When the registry refuses, the tag stays as it was, and an error is raised.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the tag, which must be given
---@param options? {reason?: string}
function tag.delete(ref, options) end

---The manifest of a single image. An index is resolved to the platform, by default to the local one or, when the index lacks that, to its only image.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@param platform? string os/arch[/variant][,osver=<version>]
---@return regbot.Manifest
function manifest.get(ref, platform) end

---The manifest of a single image. An index is resolved to the platform, by default to the local one or, when the index lacks that, to its only image.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@param platform? string os/arch[/variant][,osver=<version>]
---@return regbot.Manifest
function image.manifest(ref, platform) end

---The manifest of a single image. An index is resolved to the platform, by default to the local one or, when the index lacks that, to its only image.
---@param platform? string os/arch[/variant][,osver=<version>]
---@return regbot.Manifest
function manifest_object:get(platform) end

---The manifest or index itself; an index is not resolved to a platform.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function manifest.getList(ref) end

---The manifest or index itself; an index is not resolved to a platform.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function image.manifestList(ref) end

---Media type, digest, size and rate limit of a manifest, without its body.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function manifest.head(ref) end

---Media type, digest, size and rate limit of a manifest, without its body.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function image.manifestHead(ref) end

---Media type, digest, size and rate limit of a manifest, without its body.
---@return regbot.Manifest
function manifest_object:head() end

---Whether a manifest exists. false only when the registry says that it does not; any other failure is an error.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return boolean
function manifest.exists(ref) end

---MediaType, Digest and Size of a manifest, as a table.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@return regbot.DescriptorFields
function manifest.descriptor(ref) end

---MediaType, Digest and Size of a manifest, as a table.
---@return regbot.DescriptorFields
function manifest_object:descriptor() end

---Delete a manifest by digest, with every tag that points to it. To delete one tag alone, use tag.delete. One in use is skipped with a warning.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@param options? {unlessTagged?: boolean, reason?: string}
function manifest.delete(ref, options) end

---Delete a manifest by digest, with every tag that points to it. To delete one tag alone, use tag.delete. One in use is skipped with a warning.
---@param options? {unlessTagged?: boolean, reason?: string}
function manifest_object:delete(options) end

---Store a manifest under the tag or digest of a reference, and give its digest. Edits count after export. Its blobs and children have to be there. With a reference, text or config in place of the manifest, it is retagged.
---@param manifest string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the manifest, or a reference to it
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target; by default where it came from
---@return string
function manifest.put(manifest, ref) end

---Store a manifest under the tag or digest of a reference, and give its digest. Edits count after export. Its blobs and children have to be there. With a reference, text or config in place of the manifest, it is retagged.
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target; by default where it came from
---@return string
function manifest_object:put(ref) end

---The registry's pull limit as it was when the manifest was read: Set, Remain, Limit, Reset (seconds), Policies.
---@param manifest regbot.Manifest the manifest
---@return table
function manifest.ratelimit(manifest) end

---The registry's pull limit as it was when the manifest was read: Set, Remain, Limit, Reset (seconds), Policies.
---@return table
function manifest_object:ratelimit() end

---The image config: labels, time of creation, what a container runs.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to an image
---@param platform? string os/arch[/variant][,osver=<version>]
---@return regbot.Config
function image.config(ref, platform) end

---The image config: labels, time of creation, what a container runs.
---@param platform? string os/arch[/variant][,osver=<version>]
---@return regbot.Config
function manifest_object:config(platform) end

---When an image was built, in seconds since 1970: from its config, else from an annotation or label org.opencontainers.image.created. nil when that is missing or before 2013-03-20, as reproducible builds have it.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@return number?
function image.created(ref) end

---The size of an image in bytes: that of its distinct blobs, of all platforms.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@return integer
function image.size(ref) end

---Wait until the registry's rate limit leaves at least this many pulls. Gives true then and where the registry names no limit, false after the timeout.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param remaining number the number of pulls
---@param poll? string|number time between two requests; 5m by default
---@param timeout? string|number 6h by default
---@return boolean
function image.ratelimitWait(ref, remaining, poll, timeout) end

---Wait until the registry's rate limit leaves at least this many pulls. Gives true then and where the registry names no limit, false after the timeout.
---@param remaining number the number of pulls
---@param poll? string|number time between two requests; 5m by default
---@param timeout? string|number 6h by default
---@return boolean
function manifest_object:ratelimitWait(remaining, poll, timeout) end

---Copy an image between registries, within one, or to and from a layout folder (ocidir://). Content that the target has is not sent. The tag is written last, so that it never points to missing content.
---@param src string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param dst string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param options? {platforms?: string[], digestTags?: boolean, referrers?: boolean, forceRecursive?: boolean, includeExternal?: boolean, fastCheck?: boolean, reason?: string}
function image.copy(src, dst, options) end

---Write an image to an archive that docker load, podman and skopeo can read. It is compressed when its name ends with .gz, .tgz or .zst.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param file string the archive, a file in workDir
function image.exportTar(ref, file) end

---Copy the image of an archive to a reference. The archive may be compressed, and may come from docker save, skopeo or buildah.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param file string the archive, a file in workDir
function image.importTar(ref, file) end

---Delete a tag, then its manifest unless another tag points to it, then its children and referrers where the options say so. What is used by something that is kept stays, and an interruption leaves no image broken. Every manifest of the repository is read for this; when one can't be read, nothing is deleted. An image in use is skipped with a warning.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the tag, which must be given
---@param options? {children?: boolean, referrers?: boolean, reason?: string}
function image.delete(ref, options) end

---A new manifest with the script's edits, made under Go or JSON names. Fields that were not touched keep their exact form. Nothing is stored until put.
---@param manifest regbot.Manifest the manifest
---@param edits? table set by the call itself
---@return regbot.Manifest
function manifest.export(manifest, edits) end

---A new manifest with the script's edits, made under Go or JSON names. Fields that were not touched keep their exact form. Nothing is stored until put.
---@param edits? table set by the call itself
---@return regbot.Manifest
function manifest_object:export(edits) end

---A new config with the script's edits, made under Go or JSON names. Fields that were not touched keep their exact form. Store it with blob.put.
---@param config regbot.Config the config
---@param edits? table set by the call itself
---@return regbot.Config
function config.export(config, edits) end

---A new config with the script's edits, made under Go or JSON names. Fields that were not touched keep their exact form. Store it with blob.put.
---@param edits? table set by the call itself
---@return regbot.Config
function config_object:export(edits) end

---A blob. Its content is read when it is used, and checked against its digest.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository, or a reference with the blob's digest
---@param digest? string the blob's digest
---@return regbot.Blob
function blob.get(ref, digest) end

---The same as blob.get; neither reads the content.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository, or a reference with the blob's digest
---@param digest? string the blob's digest
---@return regbot.Blob
function blob.head(ref, digest) end

---The content of a blob as a string, up to the config's blobLimit.
---@param blob regbot.Blob the blob
---@return string
function blob.content(blob) end

---The content of a blob as a string, up to the config's blobLimit.
---@return string
function blob_object:content() end

---The size of a blob in bytes.
---@param blob regbot.Blob the blob
---@return integer
function blob.size(blob) end

---The size of a blob in bytes.
---@return integer
function blob_object:size() end

---Store a blob in a repository, and give its digest and size. Nothing is sent when the repository has it. A string may be as long as the config's blobLimit.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository
---@param content string|regbot.Blob|regbot.Config the content
---@return string, integer
function blob.put(ref, content) end

---Store a blob in a repository, and give its digest and size. Nothing is sent when the repository has it. A string may be as long as the config's blobLimit.
---@param content string|regbot.Blob|regbot.Config the content
---@return string, integer
function blob_object:put(content) end

---The descriptors of an image's referrers, such as signatures: from the registry's list of them, else from the fallback tag.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param options? {artifactType?: string}
---@return regbot.DescriptorFields[]
function referrer.ls(ref, options) end

---What retention rules say of each tag of a repository, in the order of its list: tables with tag, digest (nil where it had not to be read), keep, reason, and rule, the number of the rule that keeps the tag. Nothing is deleted. The rules are those under retention in the config, as a table: {keep = {{tags = {"v*"}}, {newest = {count = 5}}}}. A tag that moves after this is not deleted by tag.delete.
---@param repo string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository; a tag in it is ignored
---@param rules table the rules
---@return table[]
function retention.decide(repo, rules) end

---The current time, in seconds since 1970.
---@return number
function time.now() end

---Seconds since 1970 of a time such as 2021-01-01T00:00:00Z, or as Go prints it (2021-01-01 00:00:00 +0000 UTC), or of a date. Without a zone it is UTC.
---@param text string the time
---@return number
function time.parse(text) end

---A time as text in UTC: RFC 3339, or in a format of strftime.
---@param seconds number since 1970
---@param format? string such as %Y-%m-%d
---@return string
function time.format(seconds, format) end

---Seconds of a duration such as 30d, 1h15m or 500ms.
---@param text string|number the duration
---@return number
function time.duration(text) end

---The parts of a version such as v1.2.3-rc.1: text, prefix, major, minor, patch, prerelease, build, variant; nil if it is not a version. A part that is missing is nil; 1.2 stands for 1.2.0. Versions are compared with < and ==.
---@param text string a tag
---@param options? {variant?: boolean}
---@return table?
function semver.parse(text, options) end

---The same as semver.parse, but a text that is not a version is an error.
---@param text string a version
---@param options? {variant?: boolean}
---@return table
function semver(text, options) end

----1, 0 or 1, as a is older than, equal to or newer than b.
---@param a string a version
---@param b string a version
---@param options? {variant?: boolean}
---@return integer
function semver.compare(a, b, options) end

---A new array of the versions, the oldest first. Raises an error if one is none.
---@param versions string[] the versions
---@param options? {variant?: boolean, newest_first?: boolean}
---@return string[]
function semver.sort(versions, options) end

---Whether a version is in a range, such as >=1.2 <2, ^1.2, ~1.2.3, 1.x, or several of them with || between. A pre-release is in a range only when that names a pre-release of the same version.
---@param version string a version
---@param range string the range
---@param options? {variant?: boolean}
---@return boolean
function semver.satisfies(version, range, options) end

---The Lua value of a JSON text, which may be as long as the config's blobLimit. null is nil. An integer of more than 64 bits is an error, as is half a surrogate pair.
---@param text string JSON
---@return any
function json.decode(text) end

---The JSON text of a value. An empty table is an object, and an object of regbot's is its text.
---@param value any nil, boolean, number, string or table
---@param options? {indent?: boolean}
---@return string
function json.encode(value, options) end

---Call a function with each item of a list and its position, many at once, and give the first result of each call in the order of the list, nil where there is none. While a call waits for a registry, others go on. The function can use everything that scripts have, pcall, coroutines of its own and parallel.map included; at most 64 calls to registries are under way at once, those of maps inside one another together. After an error no further item is begun; those that were begun are finished, and the error of the first item of the list that failed is raised, with its position in front when it is a text: what a loop would have raised. A tag is deleted only from the digest that the same item saw, if it looked, and the reason of a delete is by default the latest log line of the same item. The function can't yield out of itself. Where Lua can't yield, a call works too, but the other items wait for it: in functions given to table.sort and string.gsub, while a module is loaded by require, and in Lua 5.1 also in metamethods and iterators.
---@param list any[] the items
---@param fn fun(item: any, position: integer): any called with an item and its position in the list
---@param options? {workers?: integer}
---@return any[]
function parallel.map(list, fn, options) end

---The value of an environment variable that env lists in the config, for the script or in defaults; nil for any other. A warning names a variable that is set but not listed.
---@param name string the variable's name
---@return string?
function os.getenv(name) end

---The value of a module: NAME.lua in a folder of luaPath, where dots are folders, else a built-in one such as semver or json (lunajson is json too). A module runs once in a script.
---@param name string the module's name
---@return any
function require(name) end
