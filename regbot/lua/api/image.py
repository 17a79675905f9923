"""``image.*``: what an image is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.events import Message
from regbot.image.facts import created_of, image_size
from regbot.image.resolve import config_of, image_of
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_head, read_manifest
from regbot.lua.api.objects import CONFIG, MANIFEST, PLATFORM, HeldConfig, HeldManifest, give_config
from regbot.lua.binding import DURATION, NUMBER, TABLE, Binding, Parameter, Passed, plain
from regbot.lua.edits import with_edits
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, ImageConfig, Manifest, encode
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference


def _config(
    context: Context, source: HeldManifest | Reference, platform: Platform | None
) -> Passed:
    reference, manifest = _read(context, source)
    store = context.stores.open(reference)
    image = image_of(store, manifest, platform)
    return give_config(reference, config_of(store, image, limit=context.blob_limit))


def _export(_context: Context, held: HeldConfig, edited: Mapping[str, Any] | None) -> Passed:
    data = held.config.data if edited is None else with_edits(held.config.data, edited)
    if data == held.config.data:
        return give_config(held.reference, held.config)
    raw = encode(data)
    descriptor = Descriptor(held.config.descriptor.media_type, Digest.of(raw), len(raw))
    return give_config(held.reference, ImageConfig(raw, descriptor, data))


def _read(context: Context, source: HeldManifest | Reference) -> tuple[Reference, Manifest]:
    if isinstance(source, Reference):
        return source, read_manifest(context, source)
    return source.reference, source.manifest or read_manifest(context, _reference_of(source))


def _created(context: Context, source: HeldManifest | Reference) -> Passed:
    reference, manifest = _read(context, source)
    store = context.stores.open(reference)
    moment = created_of(store, manifest, blob_limit=context.blob_limit)
    return plain(moment.timestamp() if moment else None)


def _size(context: Context, source: HeldManifest | Reference) -> Passed:
    if isinstance(source, Reference):
        reference, digest = source, read_head(context, source).digest
    else:
        reference, digest = source.reference, source.head.digest
    return plain(image_size(context.stores.open(reference), digest))


def _reference_of(source: HeldManifest | Reference) -> Reference:
    if isinstance(source, HeldManifest):
        return source.reference.with_digest(source.head.digest)
    return source


def _wait_for_limit(
    context: Context,
    source: HeldManifest | Reference,
    wanted: float,
    poll: float,
    timeout: float,
) -> Passed:
    reference = _reference_of(source)
    left = timeout
    enough = False
    while not enough:
        rate = context.stores.open(reference).head(reference.name).rate_limit
        enough = rate.remaining is None or rate.remaining >= wanted
        if enough or left <= 0:
            break
        text = f"waiting until {wanted} pulls remain, now {rate.remaining}"
        context.emit(Message("info", text, {"script": context.script, "image": str(reference)}))
        pause = min(poll, left)
        context.stop.wait(pause)
        left -= pause
    return plain(enough)


BINDINGS = (
    Binding(
        name="image.config",
        doc="The config of an image: its labels, when it was created, what it runs.",
        parameters=(
            Parameter("ref", MANIFEST, "a manifest, or a reference to an image"),
            Parameter("platform", PLATFORM, "os/arch[/variant][,osver=<version>]", optional=True),
        ),
        run=_config,
        result="regbot.Config",
        method_of=("manifest",),
        method="config",
    ),
    Binding(
        name="config.export",
        doc="A new config with the script's edits, made under Go or JSON names. Fields that were"
        " not touched keep their exact form. Store it with blob.put.",
        parameters=(
            Parameter("config", CONFIG, "the config"),
            Parameter("edits", TABLE, "set by the call itself", optional=True),
        ),
        run=_export,
        result="regbot.Config",
        method_of=("config",),
        method="export",
    ),
    Binding(
        name="image.created",
        doc="When an image was made, in seconds since 1970: from its config, else from an"
        " annotation or label org.opencontainers.image.created. nil when that is missing or"
        " before 2013-03-20, as reproducible builds have it.",
        parameters=(Parameter("ref", MANIFEST, "the image"),),
        run=_created,
        result="number?",
    ),
    Binding(
        name="image.size",
        doc="Bytes of the distinct blobs of an image, all platforms of it.",
        parameters=(Parameter("ref", MANIFEST, "the image"),),
        run=_size,
        result="integer",
    ),
    Binding(
        name="image.ratelimitWait",
        doc="Wait until at least so many pulls remain: true then, also where the registry names no"
        " limit; false when the timeout is over.",
        parameters=(
            Parameter("ref", MANIFEST, "the image"),
            Parameter("remaining", NUMBER, "pulls that should remain"),
            Parameter("poll", DURATION, "between two looks, 5m", optional=True, default=300.0),
            Parameter("timeout", DURATION, "6h", optional=True, default=21600.0),
        ),
        run=_wait_for_limit,
        result="boolean",
        method_of=("manifest",),
        method="ratelimitWait",
    ),
)
