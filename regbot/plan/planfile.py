"""A plan as a file: what a dry run found, to be looked at and then applied.

JSON with a schema version. Each action holds what it was decided on; ``apply`` does
that and nothing else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, RegbotError, StorageError, UsageError
from regbot.files import write_out, writing
from regbot.image.copy import CopyOptions
from regbot.image.workdir import safe_path
from regbot.journal.records import absolute
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
from regbot.store.protocol import Chunks
from regbot.units import format_moment

SCHEMA = 1
LARGEST_BLOB = 64 * 1024 * 1024
"""Bytes of a blob that a script put from a string; a plan holds it."""

_LATEST = 1e12
_SWITCHES = ("digest_tags", "referrers", "force_recursive", "include_external", "fast_check")

BlobOf = Callable[[Reference, Digest, int], Chunks]
"""How the content of a blob in a repository is read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. ``made`` is in seconds since 1970; ``fingerprint`` the config's."""

    made: float
    fingerprint: str
    actions: tuple[Planned, ...]


def write_plan(plan: Plan, path: Path, work_dir: Path) -> None:
    """Write a plan as a whole or not at all. Raises StorageError."""
    with writing(path):
        write_out(path, plan_text(plan, work_dir).encode())


def plan_text(plan: Plan, work_dir: Path) -> str:
    """The plan as JSON; archives are named from ``work_dir``."""
    data = {
        "schema": SCHEMA,
        "made": format_moment(plan.made),
        "made_seconds": plan.made,
        "config": plan.fingerprint,
        "actions": [_entry(planned, work_dir) for planned in plan.actions],
    }
    return json.dumps(data, indent=2) + "\n"


def read_plan(path: str, *, work_dir: Path, blob_of: BlobOf) -> Plan:
    """Read a plan. Raises UsageError of one line for what is no plan."""
    try:
        data = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: can't read the plan: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: not a plan: it is not JSON") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise UsageError(f"{path}: not a plan of schema {SCHEMA} (make it with regbot plan)")
    entries, made = data.get("actions"), data.get("made_seconds")
    if not isinstance(made, int | float) or not 0 <= made < _LATEST:
        raise UsageError(f"{path}: not a whole plan: made_seconds is no moment")
    if not isinstance(entries, list):
        raise UsageError(f"{path}: not a whole plan (make it with regbot plan)")
    actions = []
    for number, entry in enumerate(entries, 1):
        try:
            actions.append(_planned(entry, work_dir, blob_of))
        except (
            RegbotError,
            LookupError,
            ArithmeticError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else error
            raise UsageError(f"{path}: action {number} can't be read: {why}") from None
    return Plan(float(made), str(data.get("config")), tuple(actions))


def _entry(planned: Planned, work_dir: Path) -> dict[str, Any]:
    action = planned.action
    created = None if planned.created is None else format_moment(planned.created)
    return {
        "script": planned.script,
        "action": action.verb,
        "reference": str(absolute(action.reference)),
        "digest": str(action.digest) if action.digest else None,
        "reason": action.reason,
        "size": planned.size,
        "created": created,
        "created_seconds": planned.created,
        **_details(action, work_dir),
    }


def _details(action: Action, work_dir: Path) -> dict[str, Any]:
    match action:
        case DeleteTag():
            return {"group": action.group}
        case DeleteManifest():
            return {"group": action.group, "tags": list(action.tags or ())}
        case PutManifest():
            raw = base64.b64encode(action.manifest.raw).decode()
            return {"media_type": action.manifest.media_type, "manifest": raw}
        case PutBlob():
            return {"bytes": action.size, **_content(action)}
        case CopyImage():
            options = {name: getattr(action.options, name) for name in _SWITCHES}
            platforms = [str(platform) for platform in action.options.platforms]
            source = str(absolute(action.source))
            return {"source": source, "platforms": platforms, **options}
        case ExportTar() | ImportTar():
            return {"file": str(action.path.relative_to(work_dir.resolve()))}


def _content(action: PutBlob) -> dict[str, Any]:
    if action.source:
        return {"source": str(absolute(action.source))}
    if action.size > LARGEST_BLOB:
        raise StorageError(f"a blob of {action.size} bytes is too large for a plan")
    return {"content": base64.b64encode(b"".join(action.content())).decode()}


def _planned(entry: Mapping[str, Any], work_dir: Path, blob_of: BlobOf) -> Planned:
    created, size = entry.get("created_seconds"), entry.get("size")
    if not isinstance(created, int | float | None) or not isinstance(size, int | None):
        raise InvalidValue("created_seconds and size are numbers or null")
    if created is not None:
        format_moment(created)
    action = _action(entry, work_dir, blob_of)
    return Planned(_text(entry["script"]), action, created, size)


def _action(entry: Mapping[str, Any], work_dir: Path, blob_of: BlobOf) -> Action:
    reference = Reference.parse(_text(entry["reference"]), default_tag=None)
    digest = Digest.parse(_text(entry["digest"]))
    reason = _text(entry["reason"])
    verb = entry["action"]
    if verb == DeleteTag.verb:
        if reference.tag is None:
            raise InvalidValue(f"{reference} names no tag")
        tag, group = reference.with_tag(reference.tag), _text(entry["group"])
        return DeleteTag(tag, reason, digest, listed=True, group=group)
    if verb == DeleteManifest.verb:
        manifest = reference.with_digest(digest)
        tags, group = tuple(map(Tag.parse, _texts(entry["tags"]))), _text(entry["group"])
        return DeleteManifest(manifest, digest, reason, tags=tags, group=group)
    if verb == PutManifest.verb:
        raw = base64.b64decode(entry["manifest"])
        digest.check(raw, str(reference))
        media_type = _text(entry["media_type"])
        found = Manifest.parse(raw, media_type, algorithm=digest.algorithm)
        return PutManifest(reference, found, reason)
    if verb == PutBlob.verb:
        return _put_blob(entry, reference, digest, blob_of)
    if verb == CopyImage.verb:
        source = Reference.parse(_text(entry["source"]))
        return CopyImage(source, reference, _options(entry), reason, digest)
    if verb in (ExportTar.verb, ImportTar.verb):
        kind = ExportTar if verb == ExportTar.verb else ImportTar
        return kind(reference, safe_path(work_dir, _text(entry["file"])), reason, digest)
    raise InvalidValue(f"there is no action {verb!r}")


def _put_blob(
    entry: Mapping[str, Any], reference: Reference, digest: Digest, blob_of: BlobOf
) -> PutBlob:
    size, reason = entry["bytes"], _text(entry["reason"])
    if not isinstance(size, int):
        raise InvalidValue("bytes is a number")
    if "source" in entry:
        source = Reference.parse(_text(entry["source"]), default_tag=None)
        content = blob_of(source, digest, size)
        return PutBlob(reference, digest, size, content, reason, source)
    raw = base64.b64decode(entry["content"])
    digest.check(raw, str(reference))
    return PutBlob(reference, digest, size, lambda: (raw,), reason)


def _options(entry: Mapping[str, Any]) -> CopyOptions:
    platforms = tuple(Platform.parse(text) for text in _texts(entry["platforms"]))
    return CopyOptions(platforms, **{name: entry[name] is True for name in _SWITCHES})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"a text is expected, not {type(value).__name__}")
    return value.encode("utf-8", "backslashreplace").decode()


def _texts(values: object) -> list[str]:
    if not isinstance(values, list):
        raise InvalidValue("an array of texts is expected")
    return [_text(value) for value in values]
