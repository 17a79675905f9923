"""What the bindings of one run share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from regbot.events import Emit
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.executor import Executor
from regbot.stopping import Stop
from regbot.store.protocol import ReadStores


class Seen:
    """What a script has seen of the registries: tags, and the digests on them.

    A delete is decided on what was seen, so it is compared with it.
    """

    def __init__(self) -> None:
        self._digests: dict[Reference, dict[Tag, Digest | None]] = {}

    def tags(self, repository: Reference, tags: Iterable[Tag]) -> None:
        """The script listed these tags."""
        known = self._digests.setdefault(repository.without_name, {})
        for tag in tags:
            known.setdefault(tag)

    def digest(self, reference: Reference, digest: Digest) -> None:
        """The script saw this digest on the reference's tag."""
        if reference.tag:
            self._digests.setdefault(reference.without_name, {})[reference.tag] = digest

    def was_listed(self, reference: Reference) -> bool:
        """Whether the script saw the reference's tag."""
        return reference.tag in self._digests.get(reference.without_name, {})

    def digest_of(self, reference: Reference) -> Digest | None:
        """The digest last seen on the reference's tag."""
        known = self._digests.get(reference.without_name, {})
        return known.get(reference.tag) if reference.tag else None


@dataclass(slots=True)
class Context:
    """One run of one script, as its bindings see it.

    ``stores`` can only read; whatever changes something goes to ``executor``.
    ``blob_limit`` is in bytes, ``lua_path`` where modules are, ``work_dir`` where
    archives are. ``env`` are the names in ``environment`` that the script may ask for.
    ``last_message`` is the script's latest log line, ``warned`` the names of variables
    that a warning was given for.
    """

    script: str
    stores: ReadStores
    executor: Executor
    emit: Emit
    stop: Stop
    blob_limit: int
    lua_path: tuple[Path, ...] = ()
    work_dir: Path = Path()
    env: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    last_message: str = ""
    warned: set[str] = field(default_factory=set)
