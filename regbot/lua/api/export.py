"""``manifest.export`` and ``config.export``: new documents with a script's edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.api.objects import (
    CONFIG,
    FULL_MANIFEST,
    HeldConfig,
    HeldManifest,
    give_config,
    give_manifest,
)
from regbot.lua.binding import DOCUMENT, Binding, LocalContext, Parameter, Passed
from regbot.lua.edits import with_edits
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, ImageConfig, Manifest, encode

_EDITS = Parameter("edits", DOCUMENT, "leave it out; the call fills it in", optional=True)


def _manifest(
    context: LocalContext, held: HeldManifest, edited: Mapping[str, Any] | None
) -> Passed:
    if held.manifest is None:
        raise InvalidValue("a manifest without body can't be exported")
    data = held.manifest.data
    changed = data if edited is None else with_edits(data, edited)
    if changed == data:
        return give_manifest(held.reference, held.manifest)
    manifest = Manifest.build(changed)
    _check_size(manifest.raw, context)
    return give_manifest(held.reference, manifest)


def _config(context: LocalContext, held: HeldConfig, edited: Mapping[str, Any] | None) -> Passed:
    data = held.config.data
    changed = data if edited is None else with_edits(data, edited)
    if changed == data:
        return give_config(held)
    raw = encode(changed)
    _check_size(raw, context)
    descriptor = Descriptor(held.config.descriptor.media_type, Digest.of(raw), len(raw))
    return give_config(
        HeldConfig(held.reference, held.image, ImageConfig(raw, descriptor, changed))
    )


def _check_size(raw: bytes, context: LocalContext) -> None:
    limit = context.document_limit
    if len(raw) > limit:
        raise InvalidValue(f"with the edits it has {len(raw)} bytes, more than blobLimit, {limit}")


BINDINGS = (
    Binding(
        name="manifest.export",
        doc="A new manifest with the edits of the script, made with Go names or JSON names. Fields"
        " without edits keep their exact form. Nothing is stored before manifest.put.",
        parameters=(Parameter("manifest", FULL_MANIFEST, "the manifest"), _EDITS),
        run=_manifest,
        local=True,
        result="regbot.Manifest",
        method_of=("manifest",),
        method="export",
    ),
    Binding(
        name="config.export",
        doc="A new config with the edits of the script, made with Go names or JSON names. Fields"
        " without edits keep their exact form. Nothing is stored before blob.put.",
        parameters=(Parameter("config", CONFIG, "the config"), _EDITS),
        run=_config,
        local=True,
        result="regbot.Config",
        method_of=("config",),
        method="export",
    ),
)
