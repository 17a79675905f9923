"""What a script wants to change, as frozen values.

A binding builds one and hands it to an executor; nothing else changes anything.
"""

from __future__ import annotations

from pathlib import Path

from regbot.errors import InvalidValue
from regbot.image.options import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.protocol import Chunks
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class DeleteTag:
    """Delete one tag; the manifest and its other tags stay.

    ``digest`` is what the script saw on the tag when it decided, if it looked.
    ``may_be_gone``: the tag was seen there, so a tag that is gone by now is fine.
    ``removal`` names the removal that this is a step of: where one step is not done,
    the later ones are not done either. ``part`` is what of the image this step takes
    along, such as a signature; empty for what was asked.
    """

    reference: Reference
    reason: str = ""
    digest: Digest | None = None
    may_be_gone: bool = False
    removal: str = ""
    part: str = ""

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

    ``unless_tagged`` refuses where there is such a tag. ``allowed_tags`` are the only
    tags that may go with it, None for any: with another one the manifest is skipped.
    ``may_be_gone``, ``removal`` and ``part`` are as for DeleteTag; a manifest of a removal
    is also skipped when an index uses it.
    """

    reference: Reference
    digest: Digest
    reason: str = ""
    unless_tagged: bool = False
    allowed_tags: tuple[Tag, ...] | None = None
    may_be_gone: bool = False
    removal: str = ""
    part: str = ""

    verb = "delete manifest"


Delete = DeleteTag | DeleteManifest


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

    ``source`` is the repository that has it, if one has: without ``content`` it is read there.
    """

    reference: Reference
    digest: Digest
    size: int
    content: Chunks | None
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


Write = PutManifest | PutBlob | CopyImage | ExportTar | ImportTar
Action = Delete | Write
