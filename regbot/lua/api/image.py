"""``image.*``: what an image is made of."""

from __future__ import annotations

from regbot.events import Message
from regbot.image.facts import created_of, image_size
from regbot.image.parts import blobs_of
from regbot.image.ratelimit import wait_for_pulls
from regbot.image.resolve import image_of
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import manifest_of, read_head, read_manifest
from regbot.lua.api.names import REFERENCE
from regbot.lua.api.objects import (
    FOR_PLATFORM,
    MANIFEST,
    MANIFEST_HEAD,
    HeldConfig,
    HeldManifest,
    give_config,
)
from regbot.lua.binding import DURATION, NUMBER, Binding, Parameter, Passed, plain
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference


def _config(
    context: Context, source: HeldManifest | Reference, platform: Platform | None
) -> Passed:
    manifest, reference = manifest_of(context, source), _reference(source)
    store = context.stores.open(reference)
    image = image_of(store, manifest, platform)
    config = store.config(image, limit=context.blob_limit)
    return give_config(HeldConfig(reference, image.digest, config))


def _reference(source: HeldManifest | Reference) -> Reference:
    return source if isinstance(source, Reference) else source.reference


def _digest(context: Context, source: Reference, platform: Platform | None) -> Passed:
    if platform is None:
        return plain(str(read_head(context, source).digest))
    index = read_manifest(context, source)
    return plain(str(image_of(context.stores.open(source), index, platform).digest))


def _inspect(context: Context, source: Reference, platform: Platform | None) -> Passed:
    named = read_manifest(context, source)
    store = context.stores.open(source)
    image = image_of(store, named, platform)
    config = store.config(image, limit=context.blob_limit)
    about = {
        "name": str(source.without_name),
        "digest": str(named.digest),
        "mediaType": named.media_type,
        "image": str(image.digest),
        "layers": [layer.to_json() for layer in image.layers],
        "size": sum({blob.digest: blob.size for blob in blobs_of(image)}.values()),
        "annotations": {**named.annotations, **image.annotations},
    }
    return plain({**config.data, **about})


def _created(context: Context, source: HeldManifest | Reference) -> Passed:
    manifest = manifest_of(context, source)
    store = context.stores.open(_reference(source))
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
    fields = {"script": context.script, "image": str(reference)}
    enough = wait_for_pulls(
        context.stores.open(reference),
        reference,
        wanted,
        poll=poll,
        timeout=timeout,
        stop=context.stop,
        tell=lambda text: context.emit(Message("info", text, fields)),
    )
    return plain(enough)


BINDINGS = (
    Binding(
        name="image.config",
        doc="The image config: labels, time of creation, what a container runs.",
        parameters=(
            Parameter("ref", MANIFEST, "a manifest, or a reference to an image"),
            FOR_PLATFORM,
        ),
        run=_config,
        result="regbot.Config",
        method_of=("manifest",),
        method="config",
    ),
    Binding(
        name="image.inspect",
        doc="What there is to know of an image, in one table: the fields of its config, and name,"
        " digest and mediaType of what the reference names. image is the digest of the image that"
        " was chosen from an index, layers are its layers, size is the size of them and the config"
        " in bytes, annotations are those of the index and the image.",
        parameters=(
            Parameter("ref", REFERENCE, "the image"),
            FOR_PLATFORM,
        ),
        run=_inspect,
        result="table",
    ),
    Binding(
        name="image.digest",
        doc="The digest of what a reference names. With platform, the digest of the image that an"
        " index has for it.",
        parameters=(
            Parameter("ref", REFERENCE, "the image"),
            FOR_PLATFORM,
        ),
        run=_digest,
        result="string",
    ),
    Binding(
        name="image.created",
        doc="When an image was built, in seconds since 1970. The date is that of the image config,"
        " else that of the annotation or label org.opencontainers.image.created. Gives nil if"
        " there is none, or if it is before 2013-03-20, as in reproducible builds.",
        parameters=(Parameter("ref", MANIFEST, "the image"),),
        run=_created,
        result="number?",
    ),
    Binding(
        name="image.size",
        doc="The size of an image in bytes, of all its platforms together. A blob that is there"
        " several times counts once.",
        parameters=(Parameter("ref", MANIFEST_HEAD, "the image"),),
        run=_size,
        result="integer",
    ),
    Binding(
        name="image.ratelimitWait",
        doc="Wait until the registry's rate limit leaves at least this many pulls. Gives true then,"
        " also if the registry has no limit, and false after the timeout.",
        parameters=(
            Parameter("ref", MANIFEST_HEAD, "the image"),
            Parameter("remaining", NUMBER, "the number of pulls"),
            Parameter(
                "poll",
                DURATION,
                "time between two requests. Default: 5m",
                optional=True,
                default=300.0,
            ),
            Parameter(
                "timeout",
                DURATION,
                "the longest time to wait. Default: 6h",
                optional=True,
                default=21600.0,
            ),
        ),
        run=_wait_for_limit,
        result="boolean",
        method_of=("manifest",),
        method="ratelimitWait",
    ),
)
