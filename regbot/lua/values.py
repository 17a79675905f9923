"""The JSON objects scripts read, field by field: Go name, JSON name, type.

Scripts written for the Go program say ``ic.Config.Labels``, others
``ic.config.Labels``; both names lead to the same value. An absent map or array
reads as an empty table, an absent text as empty, an absent number as 0; a type
that ends in ``?`` and a ``time`` read as nil, as in Go. A field without a JSON name
is one that Go embeds: it is the object itself, under the shape of its type.

Types: ``string``, ``integer``, ``boolean``, ``time``, ``map``, the name of a shape,
and ``[]`` before any of them.
"""

from __future__ import annotations

from collections.abc import Mapping

Field = tuple[str, str, str]

_PLATFORM: tuple[Field, ...] = (
    ("Architecture", "architecture", "string"),
    ("OS", "os", "string"),
    ("OSVersion", "os.version", "string"),
    ("OSFeatures", "os.features", "[]string"),
    ("Variant", "variant", "string"),
    ("Features", "features", "[]string"),
)

_VERSIONED: tuple[Field, ...] = (
    ("SchemaVersion", "schemaVersion", "integer"),
    ("MediaType", "mediaType", "string"),
)

_MANIFEST_HEAD: tuple[Field, ...] = (
    *_VERSIONED,
    ("Versioned", "", "Versioned"),
    ("ArtifactType", "artifactType", "string"),
)

_MANIFEST_TAIL: tuple[Field, ...] = (
    ("Subject", "subject", "Descriptor?"),
    ("Annotations", "annotations", "map"),
)

SHAPES: Mapping[str, tuple[Field, ...]] = {
    "Descriptor": (
        ("MediaType", "mediaType", "string"),
        ("Digest", "digest", "string"),
        ("Size", "size", "integer"),
        ("URLs", "urls", "[]string"),
        ("Annotations", "annotations", "map"),
        ("Data", "data", "string"),
        ("Platform", "platform", "Platform?"),
        ("ArtifactType", "artifactType", "string"),
    ),
    "Platform": _PLATFORM,
    "Versioned": _VERSIONED,
    "Manifest": (
        *_MANIFEST_HEAD,
        ("Config", "config", "Descriptor"),
        ("Layers", "layers", "[]Descriptor"),
        *_MANIFEST_TAIL,
    ),
    "Index": (*_MANIFEST_HEAD, ("Manifests", "manifests", "[]Descriptor"), *_MANIFEST_TAIL),
    "Schema1": (
        *_VERSIONED,
        ("Versioned", "", "Versioned"),
        ("Manifest", "", "Schema1"),
        ("Name", "name", "string"),
        ("Tag", "tag", "string"),
        ("Architecture", "architecture", "string"),
        ("FSLayers", "fsLayers", "[]map"),
        ("History", "history", "[]map"),
    ),
    "Image": (
        ("Created", "created", "time"),
        ("Author", "author", "string"),
        *_PLATFORM,
        ("Platform", "", "Platform"),
        ("Config", "config", "ImageConfig"),
        ("RootFS", "rootfs", "RootFS"),
        ("History", "history", "[]History"),
    ),
    "ImageConfig": (
        ("User", "User", "string"),
        ("ExposedPorts", "ExposedPorts", "map"),
        ("Env", "Env", "[]string"),
        ("Entrypoint", "Entrypoint", "[]string"),
        ("Cmd", "Cmd", "[]string"),
        ("Volumes", "Volumes", "map"),
        ("WorkingDir", "WorkingDir", "string"),
        ("Labels", "Labels", "map"),
        ("StopSignal", "StopSignal", "string"),
        ("StopTimeout", "StopTimeout", "integer"),
        ("Shell", "Shell", "[]string"),
        ("ArgsEscaped", "ArgsEscaped", "boolean"),
        ("OnBuild", "OnBuild", "[]string"),
    ),
    "RootFS": (("Type", "type", "string"), ("DiffIDs", "diff_ids", "[]string")),
    "History": (
        ("Created", "created", "time"),
        ("CreatedBy", "created_by", "string"),
        ("Author", "author", "string"),
        ("Comment", "comment", "string"),
        ("EmptyLayer", "empty_layer", "boolean"),
    ),
}
