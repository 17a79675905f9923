"""``repositories``: the ones that an entry is about, by registry and patterns, or by name."""

from __future__ import annotations

from regbot.config.document import ListNode, MappingNode, Mistake
from regbot.config.fields import word_of
from regbot.config.hostfields import registry_of
from regbot.config.patternfields import repository_patterns_of
from regbot.config.section import Key, Listing, RequiredKey, Section, Value
from regbot.config.values import Repositories
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference, parse_registry


def _unread(value: Value) -> Value:
    """Patterns, which are read once the registry is known."""
    return value


class RepositoriesSection(Section):
    """Repositories of one registry; fields of Repositories."""

    called = "repositories"

    registry = RequiredKey(registry_of)
    match = Key(_unread)
    but = Key(_unread, "except")

    @classmethod
    def read_all(cls, value: Value) -> tuple[Repositories, ...]:
        """Repositories of one registry, or a list of registries and repositories."""
        if isinstance(value.node, MappingNode):
            return (_of_registry(value),)
        listed = Listing(_each)(value)
        if isinstance(value.node, ListNode) and not value.node.items:
            raise Mistake("the list is empty (name a registry, or a repository)")
        return listed


def _each(value: Value) -> Repositories:
    return _of_registry(value) if isinstance(value.node, MappingNode) else _named(value)


def _of_registry(value: Value) -> Repositories:
    section = RepositoriesSection.read(value)
    registry = section.values.get("registry")
    if registry is None:
        return Repositories("")  # which is a mistake already
    patterns = repository_patterns_of(registry)
    match = section.match.read(patterns) if section.match else None
    but = section.but.read(patterns) if section.but else None
    return Repositories(registry, match or (), but or ())


def _named(value: Value) -> Repositories:
    text = word_of(value)
    host, _, rest = text.partition("/")
    try:
        if not rest and ("." in host or ":" in host or host == "localhost"):
            return Repositories(parse_registry(host))
        reference = Reference.parse(text, default_tag=None)
    except InvalidValue as error:
        raise Mistake(f"{error} (name a registry, or a repository)") from None
    if reference.scheme == "ocidir":
        raise Mistake(f"{text} is a layout folder (name a registry, or a repository)")
    if reference.tag or reference.digest:
        raise Mistake(f"{text} is an image (leave the tag and the digest out)")
    return Repositories(reference.registry, (Pattern.parse(reference.repository),))
