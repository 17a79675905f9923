"""The entries of a plan file, one for each action.

An entry holds what its action was decided on, and nothing that ``apply`` would have to
guess. Unknown keys are mistakes: whoever edits a plan is told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, StorageError
from regbot.image.copy import Carried
from regbot.image.options import CopyOptions, ReferrerFilter
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
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
from regbot.plan.fields import (
    Fields,
    escaped,
    list_of,
    moment,
    nullable,
    parsed,
    string,
    switch,
    table_of,
    text,
    whole_number,
)
from regbot.store.layout import absolute
from regbot.store.protocol import Chunks
from regbot.units import format_moment
from regbot.workdir import file_in

LARGEST_BLOB = 64 * 1024 * 1024
"""Bytes of a blob that a script put from a string; a plan holds it."""

_SWITCHES = ("digest_tags", "referrers", "force_recursive", "include_external", "fast_check")

_reference = parsed(partial(Reference.parse, default_tag=None))
_digest = parsed(Digest.parse)
_tags = list_of(parsed(Tag.parse))
_platforms = list_of(parsed(Platform.parse))
_bytes = parsed(partial(base64.b64decode, validate=True))


def entry_of(planned: Planned, work_dir: Path) -> Mapping[str, Any]:
    """A planned action as it stands in the file; archives are named from ``work_dir``.

    ``size`` is in bytes; ``created_seconds`` since 1970, and ``created`` the same for people.
    """
    action, created = planned.action, planned.created
    if action.digest is None:
        raise InvalidValue(f"{action.reference}: a plan can't hold what has no digest")
    return {
        "script": escaped(planned.script),
        "action": action.verb,
        "reference": _shown(action.reference),
        "digest": str(action.digest),
        "reason": escaped(action.reason),
        "size": planned.size,
        "created": None if created is None else format_moment(created),
        "created_seconds": created,
        **_details(action, work_dir),
        **({"carried": list(map(_carried_entry, planned.carried))} if planned.carried else {}),
    }


def _carried_entry(carried: Carried) -> Mapping[str, str]:
    return {"name": str(carried.name), "part": carried.part}


def _name_of(text: str) -> Name:
    return Digest.parse(text) if ":" in text else Tag.parse(text)


def _carried_of(entry: object) -> Carried:
    fields = Fields(entry)
    carried = Carried(fields.read("name", parsed(_name_of)), fields.read("part", text))
    fields.end()
    return carried


def _details(action: Action, work_dir: Path) -> Mapping[str, Any]:
    """What an entry holds for this kind of action alone."""
    match action:
        case DeleteTag():
            return {"removal": escaped(action.removal), "part": action.part}
        case DeleteManifest():
            return {
                "tags": list(action.allowed_tags or ()),
                "removal": escaped(action.removal),
                "part": action.part,
            }
        case PutManifest(manifest=manifest):
            return {"media_type": manifest.media_type, "manifest": _base64(manifest.raw)}
        case PutBlob(source=source):
            return {
                "bytes": action.size,
                "source": _shown(source) if source else None,
                "content": None if source else _base64(_whole(action)),
            }
        case CopyImage(options=options):
            return {
                "source": _shown(action.source),
                "platforms": [str(platform) for platform in options.platforms],
                **{name: getattr(options, name) for name in _SWITCHES},
                **_filters(options),
            }
        case ExportTar() | ImportTar():
            return {"file": str(action.path.relative_to(work_dir.resolve()))}


def planned_of(entry: object, work_dir: Path) -> Planned:
    """The planned action of an entry. Raises RegbotError for what makes no sense."""
    fields = Fields(entry)
    script = fields.read("script", text)
    action = _action(fields, work_dir)
    fields.get("created", nullable(text), None)
    created = fields.get("created_seconds", nullable(moment), None)
    size = fields.get("size", nullable(whole_number), None)
    carried = fields.get("carried", list_of(_carried_of), ())
    fields.end()
    return Planned(script, action, created, size, carried)


def _action(fields: Fields, work_dir: Path) -> Action:
    verb = fields.read("action", string)
    reference, digest = fields.read("reference", _reference), fields.read("digest", _digest)
    reason = fields.get("reason", text, "")
    match verb:
        case DeleteTag.verb:
            if reference.tag is None:
                raise InvalidValue(f"{reference} names no tag")
            return DeleteTag(
                reference.with_tag(reference.tag),
                reason,
                digest,
                may_be_gone=True,
                removal=fields.get("removal", text, ""),
                part=fields.get("part", text, ""),
            )
        case DeleteManifest.verb:
            return DeleteManifest(
                reference.with_digest(digest),
                digest,
                reason,
                allowed_tags=fields.read("tags", _tags),
                may_be_gone=True,
                removal=fields.get("removal", text, ""),
                part=fields.get("part", text, ""),
            )
        case PutManifest.verb:
            media_type, raw = fields.read("media_type", text), fields.read("manifest", _bytes)
            digest.check(raw, str(reference))
            manifest = Manifest.parse(raw, media_type, algorithm=digest.algorithm)
            return PutManifest(reference, manifest, reason)
        case PutBlob.verb:
            size = fields.read("bytes", whole_number)
            source = fields.get("source", nullable(_reference), None)
            content = fields.get("content", nullable(_bytes), None)
            if source is not None:
                return PutBlob(reference, digest, size, None, reason, source)
            if content is None:
                raise InvalidValue("source or content is missing")
            chunks = _held(digest.check(content, str(reference)))
            return PutBlob(reference, digest, size, chunks, reason)
        case CopyImage.verb:
            source = fields.read("source", _reference)
            platforms = fields.get("platforms", _platforms, ())
            filters = fields.get("referrer_filters", list_of(filter_of), ())
            switches = {name: fields.get(name, switch, False) for name in _SWITCHES}
            options = CopyOptions(platforms, referrer_filters=filters, **switches)
            return CopyImage(source, reference, options, reason, digest)
        case ExportTar.verb | ImportTar.verb:
            path = file_in(work_dir, fields.read("file", string))
            kind = ExportTar if verb == ExportTar.verb else ImportTar
            return kind(reference, path, reason, digest)
    raise InvalidValue(f"there is no action {verb!r}")


def _filters(options: CopyOptions) -> dict[str, Any]:
    filters = list(map(filter_entry, options.referrer_filters))
    return {"referrer_filters": filters} if filters else {}


def filter_entry(each: ReferrerFilter) -> dict[str, Any]:
    """The entry of a filter of referrers."""
    return {"artifact_type": each.artifact_type, "annotations": dict(each.annotations)}


def filter_of(entry: object) -> ReferrerFilter:
    """The filter of an entry. Raises InvalidValue."""
    fields = Fields(entry)
    artifact_type = fields.get("artifact_type", text, "")
    annotations = fields.get("annotations", table_of(text), {})
    fields.end()
    return ReferrerFilter(artifact_type, tuple(annotations.items()))


def _shown(reference: Reference) -> str:
    return str(absolute(reference))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _held(content: bytes) -> Chunks:
    return lambda: (content,)


def _whole(action: PutBlob) -> bytes:
    if action.size > LARGEST_BLOB:
        raise StorageError(f"a blob of {action.size} bytes is too large for a plan")
    return b"".join(action.content() if action.content else ())
