"""What a script wants to change, as frozen values.

A binding builds one and hands it to an executor; nothing else changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference

Status = Literal["done", "planned", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class DeleteTag:
    """Take one tag away; the manifest and its other tags stay.

    ``digest`` is what the script saw on the tag when it decided, if it looked;
    ``listed`` whether it saw the tag at all.
    """

    reference: Reference
    reason: str = ""
    digest: Digest | None = None
    listed: bool = False

    verb = "delete tag"


@dataclass(frozen=True, slots=True)
class DeleteManifest:
    """Delete a manifest by digest, and with it every tag on it."""

    reference: Reference
    digest: Digest
    reason: str = ""

    verb = "delete manifest"


Action = DeleteTag | DeleteManifest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    ``digest`` is what it was about, when that is known; ``detail`` says why it was
    skipped or failed.
    """

    script: str
    action: Action
    status: Status
    digest: Digest | None = None
    detail: str = ""
