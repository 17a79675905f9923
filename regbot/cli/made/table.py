"""The commands that are made from functions, and where they differ from them.

A light table: it is read for ``regbot --help``, before any function is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from regbot.values import dataclass

Form = Literal[
    "",
    "lines",
    "text",
    "json",
    "exact",
    "moment",
    "digest",
    "descriptors",
    "files",
    "tree",
    "nothing",
]
"""How a result is printed; empty is what fits the function's result.

``exact`` are the bytes of a manifest or blob, ``digest`` the digest of a manifest or blob,
``files`` the content of blobs that are described.
"""


_WORD = r"(?:\$\([^)]*\)|'[^']*'|[^\s'])+"
_PART = re.compile(rf"--?[a-z]\S* (?![-<>]){_WORD}|[<>] {_WORD}|{_WORD}")
"""A word, an option with its value, or a sign with the file after it. Quotes and what is in
``$(...)`` are parts of a word."""
_WIDTH = 74
"""Columns of an example, so that the help fits a terminal."""


@dataclass(frozen=True, slots=True)
class Made:
    """A command that calls a function.

    ``function`` is its name in scripts, and with an option that is named in ``instead`` the
    function given there. Parameters are arguments, in their order, but those named in
    ``as_options``; the one called ``content`` is read from a file or from standard input, unless
    the option ``content_unless`` is given.
    ``flags`` are options that have other names than the function's options. ``joint`` is what
    makes the full name of a listed thing, and ``listed`` the field by which regctl's templates
    find the list. ``by_digest``: what it is about has to be named by
    its digest. ``each_last``: the last argument may be given many times, each for a call.
    ``doc`` is what the help says in place of the function's text. ``examples`` are
    what is typed, each with what it does.
    """

    name: str
    function: str
    examples: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    form: Form = ""
    as_options: tuple[str, ...] = ()
    content: str = ""
    content_unless: str = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    joint: str = ""
    listed: str = ""
    by_digest: bool = False
    each_last: bool = False
    doc: str = ""

    def calls(self, family: str) -> Iterator[tuple[str, str]]:
        """The examples as they are typed, long ones on several lines, each with its meaning."""
        for words, meaning in self.examples.items():
            yield _folded(f"regbot {family} {self.name} {words}"), meaning


def _folded(line: str) -> str:
    """The line in several where it is too long, broken between words and before options."""
    lines = [""]
    for part in _PART.findall(line):
        if len(lines[-1]) + len(part) > _WIDTH and lines[-1].strip():
            lines[-1] += "\\"
            lines.append("    ")
        inside = part.replace(" --", " \\\n        --") if len(part) > _WIDTH else part
        lines[-1] += f"{inside} "
    return "\n".join(each.rstrip() for each in lines)


@dataclass(frozen=True, slots=True)
class Family:
    """Commands with a first word in common. ``help`` is what they are about."""

    name: str
    help: str
    members: tuple[Made, ...]

    def member(self, name: str) -> Made | None:
        """The command with this name, or with this as another name."""
        fitting = (made for made in self.members if name in (made.name, *made.aliases))
        return next(fitting, None)


_LS = ("list",)
_RM = ("delete", "del", "remove")
_APP = "registry.example.org/team/app"
_MIRROR = "mirror.example.org/team/app"
_LAYERS = "{{range .Layers}}{{println .Digest}}{{end}}"
_CONFIG = f"$(regbot manifest get {_APP}:v2.0.0 --format '{{{{.Config.Digest}}}}')"

_OF_ENTRIES = {
    "refs": ("--ref",),
    "digests": ("--digest",),
    "platforms": ("-p", "--platform"),
    "descAnnotations": ("--desc-annotation",),
}

_MANIFEST_GET = Made(
    "get",
    "manifest.getList",
    {
        f"{_APP}:latest": "the index, or the manifest of a single image",
        f"{_APP}:latest --platform linux/arm64": "the image for a platform",
        f"{_APP}:latest --format '{{{{.MediaType}}}}'": "one field of it",
        f"{_APP}:latest > manifest.json": "keep it in a file",
    },
    aliases=("pull",),
    form="exact",
    as_options=("platform",),
    instead={"platform": "manifest.get"},
    doc="Print a manifest or an index, byte for byte as the registry has it.",
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "tag",
        "List and delete tags.",
        (
            Made(
                "ls",
                "tag.ls",
                {
                    _APP: "all tags, one on a line",
                    f"{_APP} --include 'v1\\..*' --exclude '.*-rc[0-9]+'": "those that fit",
                    f"{_APP} --full": "with the name of the repository",
                    f"{_APP} registry.example.org/team/web": "those of several repositories",
                },
                aliases=_LS,
                joint=":",
                listed="tags",
                doc="List the tags of repositories, one on a line. Unless --limit is given, it is"
                " all of them.",
            ),
            Made(
                "rm",
                "tag.delete",
                {
                    f"{_APP}:v1.0.0 --dry-run": "see what would be deleted",
                    f"{_APP}:v1.0.0": "delete it; the last line says how to undo that",
                    "- < tags.txt": "delete the tags that a file lists, one on a line",
                },
                aliases=_RM,
                doc="Delete tags. Other tags of the same digest stay. A tag in use is skipped with"
                " a warning. If the registry refuses the delete, the tag stays as it was.",
            ),
            Made(
                "add",
                "tag.add",
                {
                    f"{_APP}:v2.2.0 stable": "set a tag to what another one is on",
                    f"{_APP}:v2.2.0 v2 v2.2": "set several",
                },
                form="nothing",
                each_last=True,
                doc="Set other tags of the same repository to the manifest that a reference names."
                " A tag that is there already is moved.",
            ),
        ),
    ),
    Family(
        "repo",
        "List repositories.",
        (
            Made(
                "ls",
                "repo.ls",
                {
                    "registry.example.org": "the names of all repositories, one on a line",
                    "registry.example.org --include 'team/.*'": "those that fit",
                    "registry.example.org --last team/app --limit 5": "the next five",
                },
                aliases=_LS,
                joint="/",
                listed="repositories",
                doc="List the repositories of a registry, one on a line. Some registries don't"
                " list them, such as Docker Hub.",
            ),
            Made(
                "copy",
                "repo.copy",
                {
                    f"{_APP} {_MIRROR} --include 'v2\\..*' --dry-run": "see what would be copied",
                    f"{_APP} {_MIRROR} --include 'v2\\..*' --referrers": "with what is attached",
                    f"{_APP} {_MIRROR} --new-tags": "all tags that the target doesn't have",
                },
                aliases=("cp",),
                form="nothing",
                doc="Copy the images at all tags of a repository, or at some of them. A tag that"
                " fails stops no other. What the target has already is not sent. Nothing is"
                " deleted at the target, but its tags may be moved.",
            ),
        ),
    ),
    Family(
        "manifest",
        "Read, store and delete manifests.",
        (
            _MANIFEST_GET,
            Made(
                "head",
                "manifest.head",
                {
                    f"{_APP}:latest": "the digest",
                    f"{_APP}:latest --json": "media type, digest and size",
                    f"{_APP}:latest --platform linux/arm64": "the digest of the image for a"
                    " platform",
                },
                aliases=("digest",),
                form="digest",
                as_options=("platform",),
                instead={"platform": "image.digest"},
                doc="Print the digest of a manifest or an index. Its content is not read, unless a"
                " platform is asked for.",
            ),
            Made(
                "diff",
                "manifest.diff",
                {
                    f"{_APP}:v2.1.0 {_APP}:v2.2.0": "line by line, as diff -u writes it",
                    f"{_APP}:v2.1.0 {_APP}:v2.2.0 --context-full": "with all lines",
                },
                form="text",
                flags={"lines": ("--context",), "full": ("--context-full",)},
                doc="Print the difference of two manifests or indexes; nothing where they are the"
                " same.",
            ),
            Made(
                "put",
                "manifest.put",
                {
                    f"{_APP}:v2 < manifest.json": "store a manifest, and set the tag to it",
                    f"{_APP} --by-digest --file manifest.json": "store it without a tag",
                },
                aliases=("push",),
                content="manifest",
                doc="Store a manifest or an index under a tag or digest, byte for byte, and print"
                " its digest. Its blobs and children have to be there already.",
            ),
            Made(
                "rm",
                "manifest.delete",
                {
                    f"{_APP}:v1.1.0 --force-tag-dereference --dry-run": "see what would go with it",
                    f"{_APP}:v1.1.0 --force-tag-dereference": "delete it, by a tag that is on it",
                },
                aliases=_RM,
                by_digest=True,
                doc="Delete manifests by their digest, and with them every tag on it. To delete"
                " only one tag, use `regbot tag rm`. A manifest in use is skipped with a warning.",
            ),
        ),
    ),
    Family(
        "image",
        "Copy, look at and delete images.",
        (
            Made(
                "copy",
                "image.copy",
                {
                    f"{_APP}:v2.1.0 {_MIRROR}:v2.1.0": "all platforms",
                    f"{_APP}:v2.1.0 {_MIRROR}:v2.1.0 --referrers --digest-tags": "with what is"
                    " attached to it, such as signatures",
                    f"{_APP}:latest {_MIRROR}:arm --platform linux/arm64": "the image of one"
                    " platform",
                    f"{_APP}:v2.1.0 ocidir://backup:v2.1.0": "to a layout folder",
                    "- < pairs.txt": "SRC and DST on each line of a file",
                },
                aliases=("cp",),
                flags={"fastCheck": ("--fast",)},
            ),
            Made(
                "inspect",
                "image.inspect",
                {
                    f"{_APP}:v2.1.0": "all there is to know, as JSON",
                    f"{_APP}:latest --platform linux/arm64": "of the image for a platform",
                    f"{_APP}:v2.1.0 --format '{_LAYERS}'": "its layers",
                },
                form="json",
                as_options=("platform",),
                doc="Print what there is to know of an image: the fields of its config, and its"
                " digests, layers, size and annotations. No layer is read.",
            ),
            Made(
                "digest",
                "image.digest",
                {
                    f"{_APP}:latest": "the digest, to pin the image by",
                    f"{_APP}:latest --platform linux/arm64": "that of the image for a platform",
                },
                as_options=("platform",),
                doc="Print the digest of what a reference names. With --platform, it is the digest"
                " of the image that an index has for it.",
            ),
            Made(
                "config",
                "image.config",
                {
                    f"{_APP}:v2.1.0": "the config, as JSON",
                    f"{_APP}:v2.1.0 --format '{{{{json .Config.Labels}}}}'": "its labels",
                },
                form="json",
                as_options=("platform",),
                doc="Print the image config: labels, time of creation, what a container runs. Of an"
                " index, it is that of the image for the platform.",
            ),
            Made(
                "created",
                "image.created",
                {f"{_APP}:v2.1.0": "such as 2026-11-01T12:00:00Z"},
                form="moment",
                doc="Print when an image was built, in UTC. The date is that of the image config,"
                " else that of the annotation or label org.opencontainers.image.created. Nothing"
                " is printed if there is none, or if it is before 2013-03-20, as in reproducible"
                " builds.",
            ),
            Made(
                "size",
                "image.size",
                {
                    f"{_APP}:v2.1.0": "the bytes of it",
                    f"{_APP}:v2.1.0 {_APP}:latest": "those of several images",
                },
            ),
            Made(
                "export",
                "image.exportTar",
                {
                    f"{_APP}:v2.1.0 app.tar": "to a file; app.tar.gz and app.tar.zst compress it",
                    f"{_APP}:v2.1.0 > app.tar": "to standard output",
                    f"{_APP}:latest arm.tar --platform linux/arm64": "the image of one platform",
                },
                doc="Write an image to an archive that docker load, podman and skopeo can read. It"
                " is compressed if its name ends with .gz, .tgz or .zst. Without FILE, it is"
                " written to standard output.",
            ),
            Made(
                "import",
                "image.importTar",
                {f"{_MIRROR}:v2.1.0 app.tar": "what docker save, skopeo or buildah wrote"},
                doc="Copy the image of an archive to a reference. The archive may be compressed,"
                " and may come from docker save, skopeo or buildah.",
            ),
            Made(
                "rm",
                "image.delete",
                {
                    f"{_APP}:v1.2.0 --dry-run": "see what would be deleted",
                    f"{_APP}:v1.2.0 --children --referrers": "with all that only it needs",
                },
                aliases=_RM,
            ),
            Made(
                "ratelimit",
                "manifest.ratelimit",
                {
                    "docker.io/library/alpine": "the limit of Docker Hub; asking is free",
                    "docker.io/library/alpine --format '{{.Remain}}'": "how many pulls are left",
                },
                form="json",
                doc="Print a registry's pull limit: whether there is one, and how much remains.",
            ),
        ),
    ),
    Family(
        "blob",
        "Read and store blobs: layers and image configs.",
        (
            Made(
                "get",
                "blob.get",
                {f"{_APP} {_CONFIG}": "the content, checked against the digest"},
                aliases=("pull",),
                form="exact",
                doc="Print the content of a blob. It is checked against its digest and size: a"
                " blob that is cut off or changed is an error.",
            ),
            Made(
                "head",
                "blob.head",
                {f"{_APP} {_CONFIG}": "its digest and its size, as JSON"},
                form="json",
                doc="Print digest and size of a blob. Its content is not read.",
            ),
            Made(
                "put",
                "blob.put",
                {
                    f"{_APP} < app.tar": "store it, and print its digest",
                    f"{_APP} --file app.tar": "the same",
                },
                aliases=("push",),
                content="content",
                form="digest",
                doc="Store a blob in a repository, and print its digest. If the repository has it"
                " already, nothing is sent.",
            ),
            Made(
                "copy",
                "blob.copy",
                {
                    f"{_APP} registry.example.org/team/web {_CONFIG}": "to another repository",
                },
                aliases=("cp",),
                form="nothing",
                doc="Copy a blob to another repository. Within a registry, no content is sent, if"
                " the registry can do that.",
            ),
        ),
    ),
    Family(
        "referrer",
        "List what refers to an image, such as signatures.",
        (
            Made(
                "ls",
                "referrer.ls",
                {
                    f"{_APP}:v2.1.0": "digest, artifact type and size of each",
                    f"{_APP}:v2.1.0 --artifact-type application/spdx+json": "its SBOMs",
                },
                aliases=_LS,
                flags={"artifactType": ("--artifact-type", "--filter-artifact-type")},
                listed="descriptors",
                doc="List what refers to an image by its subject, such as signatures.",
            ),
            Made(
                "tree",
                "referrer.tree",
                {
                    f"{_APP}:latest": "the image, its platforms, and what refers to each of them",
                    f"{_APP}:latest --digest-tags": "with the signatures of cosign",
                },
                form="tree",
                flags={"artifactType": ("--artifact-type", "--filter-artifact-type")},
                doc="Print what belongs to an image, as a tree: the manifests that it lists, and"
                " what refers to each of them.",
            ),
        ),
    ),
    Family(
        "index",
        "Put indexes together of other images.",
        (
            Made(
                "create",
                "index.create",
                {
                    f"{_APP}:both --ref {_APP}:latest --platform linux/amd64 --platform"
                    " linux/arm64": "of two platforms of another index",
                    f"{_APP}:pair --ref {_APP}:v2.1.0 --ref {_APP}:v2.2.0": "of two images",
                },
                aliases=("init", "new"),
                flags={
                    **_OF_ENTRIES,
                    "annotations": ("--annotation",),
                    "mediaType": ("-m", "--media-type"),
                },
                doc="Make an index, store it under a tag or digest, and print its digest. It lists"
                " images that are copied to its repository, and manifests that are there.",
            ),
            Made(
                "add",
                "index.add",
                {f"{_APP}:pair --ref {_APP}:v2.0.0": "another image"},
                aliases=("append", "insert"),
                flags=_OF_ENTRIES,
                doc="Add images to an index, and print its new digest. The tag is moved to it; an"
                " index that is named by its digest stays, and there is a new one.",
            ),
            Made(
                "rm",
                "index.remove",
                {f"{_APP}:both --platform linux/arm64": "the entry for a platform"},
                aliases=_RM,
                flags={"digests": ("--digest",), "platforms": ("-p", "--platform")},
                doc="Take entries out of an index, and print its new digest. The tag is moved to"
                " it. The manifests themselves are not deleted.",
            ),
        ),
    ),
    Family(
        "artifact",
        "Store files in a registry, and get them back.",
        (
            Made(
                "put",
                "artifact.put",
                {
                    f"{_APP}:files --artifact-type application/vnd.example.files --file tags.txt"
                    " --file pairs.txt --file-title": "two files, with their names",
                    f"--subject {_APP}:latest --artifact-type application/spdx+json <"
                    " manifest.json": "beside an image, such as an SBOM",
                },
                aliases=("create", "push"),
                content="content",
                content_unless="files",
                flags={
                    "files": ("-f", "--file"),
                    "fileMediaTypes": ("-m", "--file-media-type"),
                    "annotations": ("--annotation",),
                },
                doc="Store files as an artifact, and print its digest. Without --file, it is what"
                " comes from standard input. Without REF, it is stored beside the subject.",
            ),
            Made(
                "get",
                "artifact.get",
                {
                    f"{_APP}:files --file tags.txt": "one file, to standard output",
                    f"{_APP}:files --output .": "all files, to a folder",
                    f"--subject {_APP}:latest --filter-artifact-type application/spdx+json": "what"
                    " refers to an image",
                },
                aliases=("pull",),
                form="files",
                flags={
                    "titles": ("-f", "--file"),
                    "config": ("--show-config",),
                    "fileMediaTypes": ("-m", "--file-media-type"),
                    "artifactType": ("--artifact-type", "--filter-artifact-type"),
                },
                doc="Print a file of an artifact, or write all of its files to a folder. With"
                " --subject, it is an artifact that refers to an image.",
            ),
        ),
    ),
)
"""Each family is a command of regbot, and its members are the commands below it."""
