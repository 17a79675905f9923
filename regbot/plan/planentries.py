"""The entries of a plan file, one model for each kind of action.

An entry holds what its action was decided on, and nothing that ``apply`` would have to
guess. Unknown keys are mistakes: whoever edits a plan is told.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)
from pydantic_core import PydanticCustomError

from regbot.errors import InvalidValue, RegbotError, StorageError
from regbot.image.copy import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.carrying import Planned
from regbot.store.layout import absolute
from regbot.store.protocol import Chunks
from regbot.units import format_moment
from regbot.workdir import file_in

LARGEST_BLOB = 64 * 1024 * 1024
"""Bytes of a blob that a script put from a string; a plan holds it."""

_SWITCHES = ("digest_tags", "referrers", "force_recursive", "include_external", "fast_check")

BlobOf = Callable[[Reference, Digest, int], Chunks]
"""How the content of a blob in a repository is read."""


def _as_text(kind: type[Any], parse: Callable[[str], Any]) -> PlainValidator:
    """A value of ``kind`` that stands as a text in the file."""

    def read(value: object) -> object:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("mistake", "a text is expected")
        try:
            return parse(value)
        except (RegbotError, ValueError) as error:
            raise PydanticCustomError("mistake", "{why}", {"why": str(error)}) from None

    return PlainValidator(read)


def _moment(seconds: float) -> float:
    try:
        format_moment(seconds)
    except InvalidValue as error:
        raise PydanticCustomError("mistake", "{why}", {"why": str(error)}) from None
    return seconds


def _escaped(text: object) -> object:
    """A text that can be written: half a surrogate pair becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


_Shown = PlainSerializer(str, str)
_Reference = Annotated[
    Reference, _as_text(Reference, partial(Reference.parse, default_tag=None)), _Shown
]
_Digest = Annotated[Digest, _as_text(Digest, Digest.parse), _Shown]
_Tag = Annotated[Tag, _as_text(Tag, Tag.parse), _Shown]
_Platform = Annotated[Platform, _as_text(Platform, Platform.parse), _Shown]
_Bytes = Annotated[
    bytes,
    _as_text(bytes, partial(base64.b64decode, validate=True)),
    PlainSerializer(lambda raw: base64.b64encode(raw).decode(), str),
]
_Text = Annotated[
    str, BeforeValidator(lambda text: _escaped(text) if isinstance(text, str) else text)
]
_Seconds = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_moment)]


class Entry(BaseModel):
    """What every entry holds: who wanted the action, on what, why, and the image's facts.

    ``size`` is in bytes; ``created_seconds`` since 1970, and ``created`` the same for
    people.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )

    script: _Text
    action: str
    reference: _Reference
    digest: _Digest
    reason: _Text = ""
    size: int | None = Field(default=None, ge=0)
    created: str | None = None
    created_seconds: _Seconds | None = None


class DeleteTagEntry(Entry):
    """A tag to delete; ``removal`` as for ``DeleteTag``."""

    action: Literal["delete tag"] = "delete tag"
    removal: _Text = ""


class DeleteManifestEntry(Entry):
    """A manifest to delete, and the tags that may go with it."""

    action: Literal["delete manifest"] = "delete manifest"
    tags: list[_Tag]
    removal: _Text = ""


class PutManifestEntry(Entry):
    """A manifest to put, with its exact bytes."""

    action: Literal["put manifest"] = "put manifest"
    media_type: str
    manifest: _Bytes


class PutBlobEntry(Entry):
    """A blob to put: its content, or the repository that holds it."""

    action: Literal["put blob"] = "put blob"
    bytes: int = Field(ge=0)
    source: _Reference | None = None
    content: _Bytes | None = None


class CopyImageEntry(Entry):
    """An image to copy, and how."""

    action: Literal["copy image"] = "copy image"
    source: _Reference
    platforms: list[_Platform] = []
    digest_tags: bool = False
    referrers: bool = False
    force_recursive: bool = False
    include_external: bool = False
    fast_check: bool = False


class ArchiveEntry(Entry):
    """An archive to write or to read; ``file`` is named from the folder of archives."""

    action: Literal["export tar", "import tar"]
    file: str


AnyEntry = (
    DeleteTagEntry
    | DeleteManifestEntry
    | PutManifestEntry
    | PutBlobEntry
    | CopyImageEntry
    | ArchiveEntry
)


def entry_of(planned: Planned, work_dir: Path) -> AnyEntry:
    """A planned action as it stands in the file; archives are named from ``work_dir``."""
    action = planned.action
    common: dict[str, Any] = {
        "script": planned.script,
        "reference": absolute(action.reference),
        "digest": action.digest,
        "reason": action.reason,
        "size": planned.size,
        "created": None if planned.created is None else format_moment(planned.created),
        "created_seconds": planned.created,
    }
    match action:
        case DeleteTag():
            return DeleteTagEntry(**common, removal=action.removal)
        case DeleteManifest():
            return DeleteManifestEntry(
                **common, tags=list(action.allowed_tags or ()), removal=action.removal
            )
        case PutManifest():
            manifest = action.manifest
            return PutManifestEntry(**common, media_type=manifest.media_type, manifest=manifest.raw)
        case PutBlob() if action.source:
            return PutBlobEntry(**common, bytes=action.size, source=absolute(action.source))
        case PutBlob():
            return PutBlobEntry(**common, bytes=action.size, content=_whole(action))
        case CopyImage():
            switches = {name: getattr(action.options, name) for name in _SWITCHES}
            return CopyImageEntry(
                **common,
                source=absolute(action.source),
                platforms=list(action.options.platforms),
                **switches,
            )
        case ExportTar():
            return ArchiveEntry(**common, action="export tar", file=_named(action.path, work_dir))
        case ImportTar():
            return ArchiveEntry(**common, action="import tar", file=_named(action.path, work_dir))


def action_of(entry: AnyEntry, work_dir: Path, blob_of: BlobOf) -> Action:
    """The action of an entry. Raises RegbotError for what makes no sense."""
    reference, digest, reason = entry.reference, entry.digest, entry.reason
    match entry:
        case DeleteTagEntry():
            if reference.tag is None:
                raise InvalidValue(f"{reference} names no tag")
            tag = reference.with_tag(reference.tag)
            return DeleteTag(tag, reason, digest, may_be_gone=True, removal=entry.removal)
        case DeleteManifestEntry():
            manifest, tags = reference.with_digest(digest), tuple(entry.tags)
            return DeleteManifest(
                manifest, digest, reason, allowed_tags=tags, may_be_gone=True, removal=entry.removal
            )
        case PutManifestEntry():
            digest.check(entry.manifest, str(reference))
            content = Manifest.parse(entry.manifest, entry.media_type, algorithm=digest.algorithm)
            return PutManifest(reference, content, reason)
        case PutBlobEntry():
            chunks = _chunks(entry, blob_of)
            return PutBlob(reference, digest, entry.bytes, chunks, reason, entry.source)
        case CopyImageEntry():
            switches = {name: getattr(entry, name) for name in _SWITCHES}
            options = CopyOptions(tuple(entry.platforms), **switches)
            return CopyImage(entry.source, reference, options, reason, digest)
        case ArchiveEntry():
            kind = ExportTar if entry.action == ExportTar.verb else ImportTar
            return kind(reference, file_in(work_dir, entry.file), reason, digest)


def _named(path: Path, work_dir: Path) -> str:
    return str(path.relative_to(work_dir.resolve()))


def _chunks(entry: PutBlobEntry, blob_of: BlobOf) -> Chunks:
    if entry.source is not None:
        return blob_of(entry.source, entry.digest, entry.bytes)
    if entry.content is None:
        raise InvalidValue("source or content is missing")
    content = entry.digest.check(entry.content, str(entry.reference))
    return lambda: (content,)


def _whole(action: PutBlob) -> bytes:
    if action.size > LARGEST_BLOB:
        raise StorageError(f"a blob of {action.size} bytes is too large for a plan")
    return b"".join(action.content())
