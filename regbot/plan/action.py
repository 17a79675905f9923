"""What a script wants to change, as frozen values.

A binding builds one and hands it to an executor; nothing else changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regbot.errors import InvalidValue
from regbot.image.copy import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.protocol import Chunks


@dataclass(frozen=True, slots=True)
class DeleteTag:
    """Take one tag away; the manifest and its other tags stay.

    ``digest`` is what the script saw on the tag when it decided, if it looked;
    ``listed`` whether it saw the tag at all. ``group`` names the steps of one
    removal: where one is not done, those after it are not either.
    """

    reference: Reference
    reason: str = ""
    digest: Digest | None = None
    listed: bool = False
    group: str = ""

    verb = "delete tag"

    @property
    def tag(self) -> Tag:
        """The tag. Raises InvalidValue for a reference without one."""
        if self.reference.tag is None:
            raise InvalidValue(f"{self.reference} names no tag")
        return self.reference.tag


@dataclass(frozen=True, slots=True)
class DeleteManifest:
    """Delete a manifest by digest, and with it every tag on it.

    ``unless_tagged`` refuses where there is such a tag. ``tags`` are those that may
    go with it, where that was decided on: with another tag on it, it is skipped.
    ``group`` is as for DeleteTag; such a manifest also stays when an index uses it.
    """

    reference: Reference
    digest: Digest
    reason: str = ""
    unless_tagged: bool = False
    tags: tuple[Tag, ...] | None = None
    group: str = ""

    verb = "delete manifest"

    @property
    def may_be_gone(self) -> bool:
        """Whether it was seen there when it was decided on, so that it may be gone by now."""
        return self.tags is not None or bool(self.group)


@dataclass(frozen=True, slots=True)
class PutManifest:
    """Store a manifest under the reference's tag or digest."""

    reference: Reference
    manifest: Manifest
    reason: str = ""

    verb = "put manifest"

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.manifest.digest


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Store a blob of ``size`` bytes in the reference's repository.

    ``source`` is the repository its content comes from, if it is in one.
    """

    reference: Reference
    digest: Digest
    size: int
    content: Chunks
    reason: str = ""
    source: Reference | None = None

    verb = "put blob"


@dataclass(frozen=True, slots=True)
class CopyImage:
    """Copy an image, with all it consists of, to ``reference``."""

    source: Reference
    reference: Reference
    options: CopyOptions
    reason: str = ""
    digest: Digest | None = None

    verb = "copy image"


@dataclass(frozen=True, slots=True)
class ExportTar:
    """Write the reference's image to an archive."""

    reference: Reference
    path: Path
    reason: str = ""
    digest: Digest | None = None

    verb = "export tar"


@dataclass(frozen=True, slots=True)
class ImportTar:
    """Copy the image of an archive to the reference."""

    reference: Reference
    path: Path
    reason: str = ""
    digest: Digest | None = None

    verb = "import tar"


Action = DeleteTag | DeleteManifest | PutManifest | PutBlob | CopyImage | ExportTar | ImportTar
