"""What a source says: images by a reference, or by a digest in one of the runtimes' forms."""

from __future__ import annotations

import re
from dataclasses import replace

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.uses import Use, comparable
from regbot.values import dataclass

_RUNTIME = re.compile(r"(?!ocidir:)[a-z][a-z0-9-]*://")
"""What a runtime puts before an image's id, such as ``docker-pullable://``."""
_ID = re.compile(r"[0-9a-f]{64}")
"""An image's id, as CRI-O and docker write it: the digest of its config."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An image that a source names, as ``text``, and its ``user``.

    ``reference`` is None for a digest alone. A reference without tag and digest has the tag
    ``latest``, one without a registry is one of Docker Hub.
    """

    text: str
    user: str
    reference: Reference | None
    digest: Digest | None

    @classmethod
    def parse(cls, text: str, user: str) -> Mention:
        """Read a reference, a digest, or an id. Raises InvalidValue for anything else."""
        name = _RUNTIME.sub("", text, count=1) if _RUNTIME.match(text) else text
        if _ID.fullmatch(name):
            return cls(text, user, None, Digest("sha256", name))
        try:
            return cls(text, user, None, Digest.parse(name))
        except InvalidValue:
            reference = Reference.parse(name)
        return cls(text, user, reference, reference.digest)

    def use(self, rewrites: tuple[Rewrite, ...]) -> Use:
        """The same under all its names: as it is written, and after each rewrite that fits."""
        if self.reference is None:
            return Use(self.user, digest=self.digest)
        others = (rewrite(self.reference) for rewrite in rewrites)
        names = dict.fromkeys([self.reference, *(other for other in others if other)])
        return Use(self.user, tuple(names), self.digest)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A prefix of references, ``registry[/path]``, and what stands in its place elsewhere."""

    prefix: str
    target: str

    @classmethod
    def parse(cls, prefix: str, target: str) -> Rewrite:
        """Read both sides. Raises InvalidValue for what can't begin a reference."""
        return cls(_prefix(prefix), _prefix(target))

    def __call__(self, reference: Reference) -> Reference | None:
        """The reference under its other name; None where the prefix doesn't fit.

        What would be no reference under the other name is none.
        """
        repository = comparable(reference)
        place = f"{repository.registry}/{repository.repository}"
        if reference.scheme != "registry" or not f"{place}/".startswith(f"{self.prefix}/"):
            return None
        try:
            other = Reference.parse(self.target + place[len(self.prefix) :], default_tag=None)
        except InvalidValue:
            return None
        return replace(other, tag=reference.tag, digest=reference.digest)


def _prefix(text: str) -> str:
    """A registry with or without a path, in the form in which references are compared."""
    registry, slash, path = text.strip().rstrip("/").partition("/")
    example = Reference.parse(f"{registry}/{path}{slash}x", default_tag=None)
    if example.registry.lower() != registry.lower() and "." not in registry:
        raise InvalidValue(f"{text!r} does not begin with a registry")
    return f"{comparable(example).registry}{slash}{path}"


@dataclass(frozen=True, slots=True)
class Seen:
    """The images that a source names. ``notes`` tell of what is not counted, and why."""

    mentions: tuple[Mention, ...] = ()
    notes: tuple[str, ...] = ()
