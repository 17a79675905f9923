"""``blob.*``: content by digest."""

from __future__ import annotations

from regbot.errors import InvalidValue
from regbot.lua.api.context import Context
from regbot.lua.api.names import REFERENCE, REPOSITORY
from regbot.lua.api.objects import HeldConfig, read_config_object
from regbot.lua.binding import STRING, Binding, Parameter, Passed, Type, describe, plain
from regbot.lua.wire import to_bytes, to_text
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import PutBlob
from regbot.store.protocol import Chunks, read_blob
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob that a script holds: where it is. Its content is read when it is needed."""

    reference: Reference
    digest: Digest
    size: int


def _read_blob_object(passed: Passed) -> HeldBlob:
    if passed.kind != "blob":
        raise InvalidValue(f"expected a blob, got {describe(passed)}")
    fields = passed.value
    return HeldBlob(
        Reference.parse(fields["reference"]), Digest.parse(fields["digest"]), fields["size"]
    )


@dataclass(frozen=True, slots=True)
class LocalContent:
    """Content that a command has at hand, with its digest and its size in bytes.

    A script can't make one: it is handed on as a document.
    """

    digest: Digest
    size: int
    chunks: Chunks


Held = bytes | HeldBlob | HeldConfig | LocalContent
"""Content that a script or a command gives."""


def _read_content(passed: Passed) -> Held:
    if isinstance(passed.document, LocalContent):
        return passed.document
    if passed.kind == "blob":
        return _read_blob_object(passed)
    if passed.kind == "config":
        return read_config_object(passed)
    if passed.kind or not isinstance(passed.value, str):
        raise InvalidValue(f"expected a string, a blob or a config, got {describe(passed)}")
    return to_bytes(passed.value)


BLOB = Type("blob", _read_blob_object, "regbot.Blob", subject=str)
CONTENT = Type(
    "string, blob or config", _read_content, "string|regbot.Blob|regbot.Config", limit=None
)


_NO_DIGEST = "the digest of the blob is missing (write it after the repository: app@sha256:...)"


def _find(context: Context, reference: Reference, digest: str | None) -> Passed:
    wanted = Digest.parse(digest) if digest else reference.digest
    if wanted is None:
        raise InvalidValue(_NO_DIGEST)
    size = context.stores.open(reference).blob_size(wanted)
    fields = {"reference": str(reference.without_name), "digest": str(wanted), "size": size}
    return Passed("blob", {**fields, "text": str(reference.with_digest(wanted))})


def _content(context: Context, blob: HeldBlob) -> Passed:
    store = context.stores.open(blob.reference)
    raw = read_blob(store, blob.digest, size=blob.size, limit=context.blob_limit)
    return plain(to_text(raw))


def _size(_context: Context, blob: HeldBlob) -> Passed:
    return plain(blob.size)


def _put(context: Context, reference: Reference, content: Held) -> Passed:
    digest, size, chunks = chunks_of(context, content)
    context.executor.execute(
        PutBlob(
            reference.without_name,
            digest,
            size,
            chunks,
            context.last_message,
            source=content.reference if isinstance(content, HeldBlob) else None,
        )
    )
    return Passed("values", [str(digest), size])


def _copy(context: Context, source: Reference, target: Reference, digest: str | None) -> Passed:
    wanted = Digest.parse(digest) if digest else source.digest
    if wanted is None:
        raise InvalidValue(_NO_DIGEST)
    size = context.stores.open(source).blob_size(wanted)
    repository = target.without_name
    context.executor.execute(
        PutBlob(repository, wanted, size, None, context.last_message, source=source.without_name)
    )
    return plain(str(wanted))


def chunks_of(context: Context, content: Held) -> tuple[Digest, int, Chunks]:
    """Digest and size of content, and what reads it."""
    if isinstance(content, LocalContent):
        return content.digest, content.size, content.chunks
    if isinstance(content, HeldBlob):
        source = context.stores.open(content.reference)
        return content.digest, content.size, lambda: source.blob(content.digest, content.size)
    raw = content if isinstance(content, bytes) else content.config.raw
    return Digest.of(raw), len(raw), lambda: (raw,)


_REF = Parameter("ref", REFERENCE, "the repository, or a reference with the blob's digest")
_DIGEST = Parameter("digest", STRING, "the blob's digest", optional=True)

BINDINGS = (
    Binding(
        name="blob.get",
        doc="A blob, without its content. The content is read when it is needed, and checked"
        " against the digest.",
        parameters=(_REF, _DIGEST),
        run=_find,
        result="regbot.Blob",
    ),
    Binding(
        name="blob.head",
        doc="The same as blob.get.",
        parameters=(_REF, _DIGEST),
        run=_find,
        result="regbot.Blob",
    ),
    Binding(
        name="blob.content",
        doc="The content of a blob as a string, up to the config's blobLimit.",
        parameters=(Parameter("blob", BLOB, "the blob"),),
        run=_content,
        result="string",
        method_of=("blob",),
        method="content",
    ),
    Binding(
        name="blob.size",
        doc="The size of a blob in bytes.",
        parameters=(Parameter("blob", BLOB, "the blob"),),
        run=_size,
        result="integer",
        method_of=("blob",),
        method="size",
    ),
    Binding(
        name="blob.put",
        doc="Store a blob in a repository, and give its digest and size. If the repository has it"
        " already, nothing is sent. A string may be as long as the config's blobLimit.",
        parameters=(
            Parameter("ref", REPOSITORY, "the repository"),
            Parameter("content", CONTENT, "the content"),
        ),
        run=_put,
        result="string, integer",
        method_of=("blob",),
        method="put",
        changes=True,
    ),
    Binding(
        name="blob.copy",
        doc="Copy a blob to another repository, and give its digest. Within a registry, no content"
        " is sent, if the registry can do that.",
        parameters=(
            Parameter("src", REFERENCE, "the repository, or a reference with the blob's digest"),
            Parameter("dst", REPOSITORY, "the other repository"),
            _DIGEST,
        ),
        run=_copy,
        result="string",
        changes=True,
    ),
)
