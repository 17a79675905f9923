"""The commands that are made from functions, and where they differ from them.

A light table: it is read for ``regbot --help``, before any function is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from regbot.values import dataclass

Form = Literal["", "lines", "text", "json", "exact", "moment", "digest", "descriptors", "nothing"]
"""How a result is printed; empty is what fits the function's result.

``exact`` are the bytes of a manifest or blob, ``digest`` the digest of a manifest or blob.
"""


_WIDTH = 74
"""Columns of an example, so that the help fits a terminal."""


@dataclass(frozen=True, slots=True)
class Made:
    """A command that calls a function.

    ``function`` is its name in scripts, and with an option that is named in ``instead`` the
    function given there. Parameters are arguments, in their order, but those named in
    ``as_options``; the one called ``content`` is read from a file or from standard input.
    ``flags`` are options that have other names than the function's options. ``joint`` is what
    makes the full name of a listed thing. ``by_digest``: what it is about has to be named by
    its digest. ``doc`` is what the help says in place of the function's text. ``examples`` are
    what is typed, each with what it does.
    """

    name: str
    function: str
    examples: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    form: Form = ""
    as_options: tuple[str, ...] = ()
    content: str = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    joint: str = ""
    by_digest: bool = False
    doc: str = ""

    def calls(self, family: str) -> Iterator[tuple[str, str]]:
        """The examples as they are typed, long ones on several lines, each with its meaning."""
        for words, meaning in self.examples.items():
            yield _folded(f"regbot {family} {self.name} {words}"), meaning


def _folded(line: str) -> str:
    lines = [""]
    for word in line.split(" "):
        if len(lines[-1]) + len(word) > _WIDTH and lines[-1].strip():
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += f"{word} "
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
_CONFIG = f"$(regbot manifest get {_APP}:v2.0.0 --format '{{{{.Config.Digest}}}}')"

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
                doc="List the repositories of a registry, one on a line. Some registries don't"
                " list them, such as Docker Hub.",
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
                },
                aliases=("digest",),
                form="digest",
                doc="Print the digest of a manifest or an index. Its content is not read.",
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
                    f"{_APP}@$(regbot manifest head {_APP}:v1.1.0) --dry-run": "see what would"
                    " go with it",
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
                flags={"artifactType": ("--filter-artifact-type",)},
                doc="List what refers to an image by its subject, such as signatures.",
            ),
        ),
    ),
)
"""Each family is a command of regbot, and its members are the commands below it."""
