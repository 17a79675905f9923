"""Outcomes as objects of JSON and back, with all that guards, tables and reports use of them.

Plan files have entries of their own: those hold what somebody decides on and edits, these
all that became of an action, so that another process can go on from there.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from regbot.errors import InvalidValue, StorageError
from regbot.image.copy import Carried
from regbot.image.options import CopyOptions
from regbot.oci.digest import ALGORITHMS, Digest
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import DOCKER_HUB, Reference
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
from regbot.plan.evidence import Evidence
from regbot.plan.fields import parsed, string, switch, whole_number
from regbot.plan.kept import Kept
from regbot.plan.outcome import Outcome, Status
from regbot.plan.planentries import LARGEST_BLOB, filter_entry, filter_of
from regbot.plan.shapes import Part, Shape, many, maybe
from regbot.store.protocol import Chunks
from regbot.workdir import file_in


def one_of(*values: str) -> Part[Any]:
    """A text that is one of a few."""

    def read(value: object) -> object:
        if value not in values:
            raise InvalidValue(f"one of {', '.join(values)} is expected")
        return value

    return Part(string, read)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidValue("a number is expected")
    return float(value)


def _name(text: str) -> Name:
    return Digest.parse(text) if ":" in text else Tag.parse(text)


def reference_of(text: str) -> Reference:
    """The reference that is shown as this text, without a name that Docker Hub fills in."""
    reference = Reference.parse(text, default_tag=None)
    if reference.registry != DOCKER_HUB or str(reference) == text:
        return reference
    return replace(reference, repository=reference.repository.removeprefix("library/"))


def _texts(value: object, count: int) -> list[str]:
    if not isinstance(value, list) or len(value) != count:
        raise InvalidValue(f"a list of {count} texts is expected")
    return list(map(string, value))


def _platform(value: object) -> Platform:
    return Platform(*_texts(value, 4))


def _blobs(value: object) -> Mapping[Digest, int]:
    if not isinstance(value, dict):
        raise InvalidValue("an object is expected")
    digest = parsed(Digest.parse)
    return {digest(key): whole_number(size) for key, size in value.items()}


TEXT = Part(str, string)
FLAG = Part(bool, switch)
NUMBER = Part(float, _number)
COUNT = Part(int, whole_number)
REFERENCE = Part(str, parsed(reference_of))
_DIGEST = Part(str, parsed(Digest.parse))
_TAG = Part(str, parsed(Tag.parse))
_NAME = Part(str, parsed(_name))
_PLATFORM = Part(
    lambda platform: [
        platform.os,
        platform.architecture,
        platform.variant,
        platform.os_version,
    ],
    _platform,
)
_BLOBS = Part(lambda blobs: {str(digest): size for digest, size in blobs.items()}, _blobs)

_CARRIED = Shape(Carried, {"name": _NAME, "part": TEXT})
_EVIDENCE = Shape(
    Evidence,
    {
        "blobs": _BLOBS,
        "created": maybe(NUMBER),
        "tags_before": maybe(COUNT),
        "tags": many(_TAG),
        "problem": TEXT,
        "names": many(REFERENCE),
    },
)
_OPTIONS = Shape(
    CopyOptions,
    {
        "platforms": many(_PLATFORM),
        "digest_tags": FLAG,
        "referrers": FLAG,
        "referrer_filters": many(Part(filter_entry, filter_of)),
        "force_recursive": FLAG,
        "include_external": FLAG,
        "fast_check": FLAG,
        "workers": COUNT,
    },
)
KEPT = Shape(
    Kept,
    {
        "script": TEXT,
        "reference": REFERENCE,
        "reason": TEXT,
        "digest": maybe(_DIGEST),
        "asked": FLAG,
    },
)


def _manifest_entry(manifest: Manifest) -> list[str]:
    return [manifest.media_type, manifest.digest.algorithm, _base64(manifest.raw)]


def _manifest(value: object) -> Manifest:
    media_type, algorithm, raw = _texts(value, 3)
    if algorithm not in ALGORITHMS:
        raise InvalidValue(f"one of {', '.join(ALGORITHMS)} is expected")
    return Manifest.parse(_bytes(raw), media_type, algorithm=algorithm)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


_bytes = parsed(partial(base64.b64decode, validate=True))


def _content_entry(content: Chunks | None) -> str | None:
    return None if content is None else _base64(b"".join(content()))


def _content(value: object) -> Chunks | None:
    if value is None:
        return None
    content = _bytes(value)
    return lambda: (content,)


class Entries:
    """The objects of outcomes, and of planned actions; archives are named from ``work_dir``."""

    def __init__(self, work_dir: Path) -> None:
        archive = Part(
            lambda path: str(path.relative_to(work_dir.resolve())),
            lambda value: file_in(work_dir, string(value)),
        )
        about: dict[str, Part[Any]] = {
            "reference": REFERENCE,
            "reason": TEXT,
            "digest": maybe(_DIGEST),
        }
        step: dict[str, Part[Any]] = {"may_be_gone": FLAG, "removal": TEXT, "part": TEXT}
        self._actions: dict[str, Shape[Any]] = {
            DeleteTag.verb: Shape(DeleteTag, {**about, **step}),
            DeleteManifest.verb: Shape(
                DeleteManifest,
                {
                    **about,
                    "digest": _DIGEST,
                    "unless_tagged": FLAG,
                    "allowed_tags": maybe(many(_TAG)),
                    **step,
                },
            ),
            PutManifest.verb: Shape(
                PutManifest,
                {
                    "reference": REFERENCE,
                    "manifest": Part(_manifest_entry, _manifest),
                    "reason": TEXT,
                },
            ),
            PutBlob.verb: Shape(
                PutBlob,
                {
                    **about,
                    "digest": _DIGEST,
                    "size": COUNT,
                    "content": Part(_content_entry, _content),
                    "source": maybe(REFERENCE),
                },
            ),
            CopyImage.verb: Shape(
                CopyImage, {**about, "source": REFERENCE, "options": _OPTIONS.part}
            ),
            ExportTar.verb: Shape(ExportTar, {**about, "path": archive}),
            ImportTar.verb: Shape(ImportTar, {**about, "path": archive}),
        }
        action = Part(self._action_entry, self._action)
        carried = many(_CARRIED.part)
        self._planned = Shape(
            Planned,
            {
                "script": TEXT,
                "action": action,
                "created": maybe(NUMBER),
                "size": maybe(COUNT),
                "carried": carried,
            },
        )
        self._outcomes = Shape(
            Outcome,
            {
                "script": TEXT,
                "action": action,
                "status": one_of(*get_args(Status)),
                "digest": maybe(_DIGEST),
                "detail": TEXT,
                "evidence": maybe(_EVIDENCE.part),
                "carried": carried,
                "was_gone": FLAG,
            },
        )

    @property
    def outcome(self) -> Part[Outcome]:
        """Outcomes. Raises StorageError for a planned blob that is too large to be held.

        The content of a blob is there only where it is still to be put.
        """
        return Part(self._outcome_entry, self._outcomes.read)

    @property
    def planned(self) -> Part[Planned]:
        """Planned actions; raises as ``outcome`` does."""
        return self._planned.part

    def _outcome_entry(self, outcome: Outcome) -> dict[str, Any]:
        action = outcome.action
        if isinstance(action, PutBlob) and outcome.status != "planned":
            outcome = replace(outcome, action=replace(action, content=None))
        return self._outcomes.write(outcome)

    def _action_entry(self, action: Action) -> dict[str, Any]:
        if isinstance(action, PutBlob) and action.content:
            if action.source:
                action = replace(action, content=None)
            elif action.size > LARGEST_BLOB:
                size = f"a blob of {action.size} bytes"
                raise StorageError(f"{action.reference}: {size} is too large for a plan")
        return {"action": action.verb, **self._actions[action.verb].write(action)}

    def _action(self, data: object) -> Action:
        if not isinstance(data, dict):
            raise InvalidValue("an object is expected")
        others = dict(data)
        shape = self._actions.get(string(others.pop("action", None)))
        if shape is None:
            raise InvalidValue("there is no such action")
        action: Action = shape.read(others)
        if isinstance(action, DeleteTag) and action.reference.tag is None:
            raise InvalidValue(f"{action.reference} names no tag")
        if isinstance(action, PutBlob) and action.content:
            action.digest.check(b"".join(action.content()), str(action.reference))
        return action
