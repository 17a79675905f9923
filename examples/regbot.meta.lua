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

artifact = {}
blob = {}
config = {}
digest = {}
image = {}
index = {}
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

---Write a line at level info to the log, with the script's name. A message is cut after 64 KiB.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log(message, fields) end

---Write a line at level debug to the log, with the script's name. A message is cut after 64 KiB.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.debug(message, fields) end

---Write a line at level info to the log, with the script's name. A message is cut after 64 KiB.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.info(message, fields) end

---Write a line at level warn to the log, with the script's name. A message is cut after 64 KiB.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.warn(message, fields) end

---Write a line at level error to the log, with the script's name. A message is cut after 64 KiB.
---@param message any the message; other values are converted to text
---@param fields? table names and values to add to the line
function log.error(message, fields) end

---Write a line to standard output, with tabs between several values. With regbot run --json it goes to standard error, because the result of the script is on standard output. A line may be as long as the config's blobLimit.
---@param ... string any values
function print(...) end

---A reference made from text. What is missing is filled in as docker does: alpine is docker.io/library/alpine:latest. Of a reference, it makes a copy.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text or a reference
---@return regbot.Reference
function reference.new(ref) end

---Without tag: gives the tag, which is empty if there is none. With tag: sets it, removes the digest, and gives the same reference back.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
---@param tag? string the new tag
---@return string|regbot.Reference
function reference.tag(ref, tag) end

---Without tag: gives the tag, which is empty if there is none. With tag: sets it, removes the digest, and gives the same reference back.
---@param tag? string the new tag
---@return string|regbot.Reference
function reference_object:tag(tag) end

---Without digest: gives the digest, which is empty if there is none. With digest: sets it, removes the tag, and gives the same reference back.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
---@param digest? string the new digest
---@return string|regbot.Reference
function reference.digest(ref, digest) end

---Without digest: gives the digest, which is empty if there is none. With digest: sets it, removes the tag, and gives the same reference back.
---@param digest? string the new digest
---@return string|regbot.Reference
function reference_object:digest(digest) end

---Does nothing. It is there for scripts of the Go program, which call it when they are done with a layout folder. regbot cleans up layout folders at the end of the run.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the reference
function reference.close(ref) end

---Does nothing. It is there for scripts of the Go program, which call it when they are done with a layout folder. regbot cleans up layout folders at the end of the run.
function reference_object:close() end

---The names of a registry's repositories. Some registries don't list them, such as Docker Hub.
---@param host string the registry, host[:port]
---@param options? {limit?: integer, last?: string, include?: string[], exclude?: string[]}
---@return string[]
function repo.ls(host, options) end

---Copy the images at all tags of a repository, or at some of them, and give these tags. A tag that fails stops no other. What the target has already is not sent. Nothing is deleted at the target, but its tags may be moved.
---@param src string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository
---@param dst string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param options? {include?: string[], exclude?: string[], newTags?: boolean, digestTags?: boolean, referrers?: boolean, reason?: string}
---@return string[]
function repo.copy(src, dst, options) end

---The tags of a repository: all of them, unless limit is given.
---@param repo string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository; a tag in it is ignored
---@param options? {limit?: integer, last?: string, include?: string[], exclude?: string[]}
---@return string[]
function tag.ls(repo, options) end

---Delete one tag. Other tags of the same digest stay. Two kinds of tags are skipped with a warning: a tag that moved after the script looked at it, copied it or exported it, and a tag in use. If the registry refuses the delete, the tag stays as it was, and there is an error.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the tag, which must be given
---@param options? {ignoreMissing?: boolean, reason?: string}
function tag.delete(ref, options) end

---Set another tag of the same repository to the manifest that a reference names, and give its digest. If the tag is there already, it is moved.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param tag string the other tag
---@return string
function tag.add(ref, tag) end

---The manifest of a single image. Of an index, it is the image for the platform. Without platform, it is the image for the local platform, or the only image of the index.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return regbot.Manifest
function manifest.get(ref, platform) end

---The manifest of a single image. Of an index, it is the image for the platform. Without platform, it is the image for the local platform, or the only image of the index.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return regbot.Manifest
function image.manifest(ref, platform) end

---The manifest of a single image. Of an index, it is the image for the platform. Without platform, it is the image for the local platform, or the only image of the index.
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return regbot.Manifest
function manifest_object:get(platform) end

---The manifest or index that the reference names. Of an index, it is the index itself.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function manifest.getList(ref) end

---The manifest or index that the reference names. Of an index, it is the index itself.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function image.manifestList(ref) end

---The media type, digest, size and rate limit of a manifest. Its content is not read.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function manifest.head(ref) end

---The media type, digest, size and rate limit of a manifest. Its content is not read.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return regbot.Manifest
function image.manifestHead(ref) end

---The media type, digest, size and rate limit of a manifest. Its content is not read.
---@return regbot.Manifest
function manifest_object:head() end

---Whether a manifest exists. Gives false only if the registry says that there is none. Everything else that goes wrong is an error.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob text, a reference, or an object that came from one
---@return boolean
function manifest.exists(ref) end

---A table with MediaType, Digest and Size of a manifest.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@return regbot.DescriptorFields
function manifest.descriptor(ref) end

---A table with MediaType, Digest and Size of a manifest.
---@return regbot.DescriptorFields
function manifest_object:descriptor() end

---Delete a manifest by its digest, and with it every tag on this digest. To delete only one tag, use tag.delete. A manifest in use is skipped with a warning.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@param options? {unlessTagged?: boolean, ignoreMissing?: boolean, reason?: string}
function manifest.delete(ref, options) end

---Delete a manifest by its digest, and with it every tag on this digest. To delete only one tag, use tag.delete. A manifest in use is skipped with a warning.
---@param options? {unlessTagged?: boolean, ignoreMissing?: boolean, reason?: string}
function manifest_object:delete(options) end

---Store a manifest under the tag or digest of a reference, and give its digest. Its blobs and children have to be there already. To store a manifest with edits, call export first. In place of the manifest, a reference (also as text) or a config may be given: then the manifest that it came from is stored under the new reference.
---@param manifest string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the manifest, or a reference to it
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target. Default: where it came from
---@param options? {byDigest?: boolean}
---@return string
function manifest.put(manifest, ref, options) end

---Store a manifest under the tag or digest of a reference, and give its digest. Its blobs and children have to be there already. To store a manifest with edits, call export first. In place of the manifest, a reference (also as text) or a config may be given: then the manifest that it came from is stored under the new reference.
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target. Default: where it came from
---@param options? {byDigest?: boolean}
---@return string
function manifest_object:put(ref, options) end

---The difference of two manifests or indexes, line by line as diff -u writes it; empty where they are the same.
---@param before string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@param after string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob another one
---@param options? {lines?: integer, full?: boolean}
---@return string
function manifest.diff(before, after, options) end

---The registry's pull limit at the time when the manifest was read, as a table with Set, Remain, Limit, Reset (in seconds) and Policies. Of a reference, the limit of now.
---@param manifest string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to one
---@return table
function manifest.ratelimit(manifest) end

---The registry's pull limit at the time when the manifest was read, as a table with Set, Remain, Limit, Reset (in seconds) and Policies. Of a reference, the limit of now.
---@return table
function manifest_object:ratelimit() end

---The image config: labels, time of creation, what a container runs.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob a manifest, or a reference to an image
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return regbot.Config
function image.config(ref, platform) end

---The image config: labels, time of creation, what a container runs.
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return regbot.Config
function manifest_object:config(platform) end

---What there is to know of an image, in one table: the fields of its config, and name, digest and mediaType of what the reference names. image is the digest of the image that was chosen from an index, layers are its layers, size is the size of them and the config in bytes, annotations are those of the index and the image.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return table
function image.inspect(ref, platform) end

---The digest of what a reference names. With platform, the digest of the image that an index has for it.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param platform? string of an index, the image for this platform, such as linux/arm64
---@return string
function image.digest(ref, platform) end

---When an image was built, in seconds since 1970. The date is that of the image config, else that of the annotation or label org.opencontainers.image.created. Gives nil if there is none, or if it is before 2013-03-20, as in reproducible builds.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@return number?
function image.created(ref) end

---The size of an image in bytes, of all its platforms together. A blob that is there several times counts once.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@return integer
function image.size(ref) end

---Wait until the registry's rate limit leaves at least this many pulls. Gives true then, also if the registry has no limit, and false after the timeout.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param remaining number the number of pulls
---@param poll? string|number time between two requests. Default: 5m
---@param timeout? string|number the longest time to wait. Default: 6h
---@return boolean
function image.ratelimitWait(ref, remaining, poll, timeout) end

---Wait until the registry's rate limit leaves at least this many pulls. Gives true then, also if the registry has no limit, and false after the timeout.
---@param remaining number the number of pulls
---@param poll? string|number time between two requests. Default: 5m
---@param timeout? string|number the longest time to wait. Default: 6h
---@return boolean
function manifest_object:ratelimitWait(remaining, poll, timeout) end

---Copy an image between registries, inside one, or from or to a layout folder (ocidir://). Content that the target has already is not sent. The tag is set last, so it never points to missing content.
---@param src string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param dst string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param options? {platform?: string, platforms?: string[], digestTags?: boolean, referrers?: boolean, forceRecursive?: boolean, includeExternal?: boolean, fastCheck?: boolean, reason?: string}
function image.copy(src, dst, options) end

---Write an image to an archive that docker load, podman and skopeo can read. It is compressed if its name ends with .gz, .tgz or .zst.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param file string the archive (for scripts, a file in workDir)
---@param options? {platform?: string}
function image.exportTar(ref, file, options) end

---Copy the image of an archive to a reference. The archive may be compressed, and may come from docker save, skopeo or buildah.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param file string the archive (for scripts, a file in workDir)
function image.importTar(ref, file) end

---Delete a tag. Then delete its manifest, unless another tag is on it. Then delete its children and referrers, if the options say so. Manifests that another image uses stay. To find them, every manifest of the repository is read. If one can't be read, nothing is deleted. An interruption leaves no image broken. An image in use is skipped with a warning.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the tag, which must be given
---@param options? {children?: boolean, referrers?: boolean, reason?: string}
function image.delete(ref, options) end

---A new manifest with the edits of the script, made with Go names or JSON names. Fields without edits keep their exact form. Nothing is stored before manifest.put.
---@param manifest regbot.Manifest the manifest
---@param edits? table leave it out; the call fills it in
---@return regbot.Manifest
function manifest.export(manifest, edits) end

---A new manifest with the edits of the script, made with Go names or JSON names. Fields without edits keep their exact form. Nothing is stored before manifest.put.
---@param edits? table leave it out; the call fills it in
---@return regbot.Manifest
function manifest_object:export(edits) end

---A new config with the edits of the script, made with Go names or JSON names. Fields without edits keep their exact form. Nothing is stored before blob.put.
---@param config regbot.Config the config
---@param edits? table leave it out; the call fills it in
---@return regbot.Config
function config.export(config, edits) end

---A new config with the edits of the script, made with Go names or JSON names. Fields without edits keep their exact form. Nothing is stored before blob.put.
---@param edits? table leave it out; the call fills it in
---@return regbot.Config
function config_object:export(edits) end

---A blob, without its content. The content is read when it is needed, and checked against the digest.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository, or a reference with the blob's digest
---@param digest? string the blob's digest
---@return regbot.Blob
function blob.get(ref, digest) end

---The same as blob.get.
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

---Store a blob in a repository, and give its digest and size. If the repository has it already, nothing is sent. A string may be as long as the config's blobLimit.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository
---@param content string|regbot.Blob|regbot.Config the content
---@return string, integer
function blob.put(ref, content) end

---Store a blob in a repository, and give its digest and size. If the repository has it already, nothing is sent. A string may be as long as the config's blobLimit.
---@param content string|regbot.Blob|regbot.Config the content
---@return string, integer
function blob_object:put(content) end

---Copy a blob to another repository, and give its digest. Within a registry, no content is sent, if the registry can do that.
---@param src string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository, or a reference with the blob's digest
---@param dst string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the other repository
---@param digest? string the blob's digest
---@return string
function blob.copy(src, dst, digest) end

---The descriptors of an image's referrers, such as signatures. They come from the registry's list of referrers. If the registry has no such list, they come from the fallback tag, sha256-<hex>.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param options? {artifactType?: string}
---@return regbot.DescriptorFields[]
function referrer.ls(ref, options) end

---All that belongs to an image, as a table: its digest, mediaType and artifactType; under manifests the same of each manifest that it lists, with its platform; and under referrers the same of what refers to it.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the image
---@param options? {digestTags?: boolean, artifactType?: string}
---@return table
function referrer.tree(ref, options) end

---Make an index, store it under a tag or digest, and give its digest. It lists images that are copied to its repository, and manifests that are there.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target
---@param options? {refs?: string[], digests?: string[], platforms?: string[], descAnnotations?: table<string, string>, descPlatform?: string, referrers?: boolean, digestTags?: boolean, annotations?: table<string, string>, artifactType?: string, mediaType?: string, subject?: string, byDigest?: boolean}
---@return string
function index.create(ref, options) end

---Add images to an index, and give its new digest. The tag is moved to it; an index that is named by its digest stays, and there is a new one. Images are copied to the repository, if they are not there.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the index
---@param options? {refs?: string[], digests?: string[], platforms?: string[], descAnnotations?: table<string, string>, descPlatform?: string, referrers?: boolean, digestTags?: boolean}
---@return string
function index.add(ref, options) end

---Take entries out of an index, and give its new digest. The tag is moved to it; an index that is named by its digest stays, and there is a new one. The manifests themselves are not deleted.
---@param ref string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the index
---@param options? {digests?: string[], platforms?: string[]}
---@return string
function index.remove(ref, options) end

---Store files as an artifact, and give its digest. Its content is a string, a blob, or the files that the options name.
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the target. Default: beside the subject
---@param content? string|regbot.Blob|regbot.Config the content, if it is no file
---@param options? {artifactType?: string, files?: string[], fileMediaTypes?: string[], fileTitle?: boolean, configFile?: string, configType?: string, annotations?: table<string, string>, subject?: string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob, platform?: string, byDigest?: boolean}
---@return string
function artifact.put(ref, content, options) end

---The descriptors of the files of an artifact; blob.get gives their content. With subject, it is an artifact that refers to this image.
---@param ref? string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the artifact
---@param options? {subject?: string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob, platform?: string, artifactType?: string, latest?: boolean, titles?: string[], fileMediaTypes?: string[], config?: boolean}
---@return regbot.DescriptorFields[]
function artifact.get(ref, options) end

---The digest of a string, such as sha256:9f86...
---@param content string the content
---@param algorithm? string sha256 or sha512. Default: sha256
---@return string
function digest.of(content, algorithm) end

---What retention rules say about each tag of a repository. Nothing is deleted. The rules are written as under retention in the config, as a table: {keep = {{tags = {"v*"}}, {newest = {count = 5}}}}. The result is a list with a table for each tag, in the order of tag.ls. The table has tag, keep (whether the tag stays), reason, rule (the number of the rule that keeps it) and digest (nil if no rule needed it). If a tag moves after this, tag.delete skips it.
---@param repo string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob the repository; a tag in it is ignored
---@param rules table the rules
---@return table[]
function retention.decide(repo, rules) end

---The current time, in seconds since 1970.
---@return number
function time.now() end

---The seconds since 1970 of a time such as 2021-01-01T00:00:00Z, of a time as Go prints it (2021-01-01 00:00:00 +0000 UTC), or of a date (2021-01-01). Without a time zone it is UTC.
---@param text string the time
---@return number
function time.parse(text) end

---A time as text, in UTC. Without format it is like 2021-01-01T00:00:00Z (RFC 3339).
---@param seconds number the time, in seconds since 1970
---@param format? string a format of strftime, such as %Y-%m-%d
---@return string
function time.format(seconds, format) end

---The seconds of a duration such as 30d, 1h15m or 500ms.
---@param text string|number the duration
---@return number
function time.duration(text) end

---The parts of a version such as v1.2.3-rc.1, as a table with text, prefix, major, minor, patch, prerelease, build and variant. Gives nil if the text is not a version. A part that is missing is nil, but 1.2 stands for 1.2.0. Two versions can be compared with < and ==.
---@param text string a tag
---@param options? {variant?: boolean}
---@return table?
function semver.parse(text, options) end

---The same as semver.parse, but a text that is not a version is an error.
---@param text string a version
---@param options? {variant?: boolean}
---@return table
function semver(text, options) end

---Gives -1 if a is older than b, 0 if they are equal, 1 if a is newer.
---@param a string a version
---@param b string a version
---@param options? {variant?: boolean}
---@return integer
function semver.compare(a, b, options) end

---A new array of the versions, the oldest first. A text that is not a version is an error.
---@param versions string[] the versions
---@param options? {variant?: boolean, newest_first?: boolean}
---@return string[]
function semver.sort(versions, options) end

---Whether a version is in a range, such as >=1.2 <2, ^1.2, ~1.2.3, 1.x, or several of them with || between. A pre-release is in a range only if the range names a pre-release of the same version: 1.2.0-rc.1 is not in >=1.1, but in >=1.2.0-rc.0.
---@param version string a version
---@param range string the range
---@param options? {variant?: boolean}
---@return boolean
function semver.satisfies(version, range, options) end

---The Lua value of a JSON text. null becomes nil. The text may be as long as the config's blobLimit. An integer of more than 64 bits and half a surrogate pair are errors.
---@param text string JSON
---@return any
function json.decode(text) end

---The JSON text of a value. An empty table becomes {}. A reference, a manifest or another object of regbot's becomes its text.
---@param value any nil, boolean, number, string or table
---@param options? {indent?: boolean}
---@return string
function json.encode(value, options) end

---Call a function for each item of a list, for many items at once. While one call waits for a registry, the others go on. The result is a list of what the calls gave (the first value of each, or nil), in the order of the items. If a call fails, no further item is begun, and those that were begun are finished. Then the error of the first item of the list that failed is raised. If it is a text, it begins with the position: parallel.map: item 2: ... Each item stands for itself: its delete is skipped if the tag has moved since the same item looked at it, and the default reason is the latest log line of the same item. The function can use everything that scripts have, also pcall, coroutines of its own and parallel.map. At most 64 calls to registries are under way at once, those of a parallel.map in another one included. The function can't yield out of itself. In some places the other items wait while it calls a registry: in functions given to table.sort and string.gsub, while require loads a module, and in Lua 5.1 also in metamethods and iterators.
---@param list any[] the items
---@param fn fun(item: any, position: integer): any called with an item and its position in the list
---@param options? {workers?: integer}
---@return any[]
function parallel.map(list, fn, options) end

---The value of an environment variable. It has to be listed under env in the config, in defaults or in the script; any other is nil. If the variable is set but not listed, there is a warning.
---@param name string the variable's name
---@return string?
function os.getenv(name) end

---The value of a module: of the file NAME.lua in a folder of luaPath, else of a built-in module such as semver or json (also called lunajson). A dot in the name stands for a folder: lib.tags is lib/tags.lua. A module runs only once in a script.
---@param name string the module's name
---@return any
function require(name) end
