"""``repositories``: the ones that an entry is about, by registry and patterns, or by name."""

from __future__ import annotations

from regbot.config.document import ListNode, MappingNode, Mistake
from regbot.config.fields import word_of
from regbot.config.hostfields import registry_of
from regbot.config.patternfields import repository_patterns_of
from regbot.config.section import Key, Listing, RequiredKey, Section, Value
from regbot.config.shapes import Shape, any_of, list_of, shaped, text
from regbot.config.values import Repositories
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference, parse_registry


@shaped(list_of(text("team/*"), least=1))
def _unread(value: Value) -> Value:
    """Patterns, which are read once the registry is known."""
    return value


class RepositoriesSection(Section):
    """Repositories of one registry; fields of Repositories."""

    called = "repositories"

    registry = RequiredKey(registry_of, "The registry.")
    match = Key(
        _unread,
        "Patterns of repositories, without the registry: globs, or regular expressions after"
        " `regex:`. A pattern has to fit the whole name; a glob that can fit none is a mistake."
        " Default: all repositories.",
    )
    but = Key(_unread, "Patterns of repositories to leave out.", alias="except")

    @classmethod
    def read_all(cls, value: Value) -> tuple[Repositories, ...]:
        """Repositories of one registry, or a list of registries and repositories."""
        if isinstance(value.node, MappingNode):
            return (_of_registry(value),)
        listed = Listing(_each)(value)
        if isinstance(value.node, ListNode) and not value.node.items:
            raise Mistake("the list is empty (name a registry, or a repository)")
        return listed

    @classmethod
    def shape(cls) -> Shape:
        """The same."""
        registry, name = super().shape(), text("registry.example.org/team/app")
        return any_of(registry, list_of(any_of(registry, name), least=1))


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
    try:
        return named_repositories(word_of(value))
    except InvalidValue as error:
        raise Mistake(str(error)) from None


def named_repositories(text: str) -> Repositories:
    """A registry, or a repository, by its name. Raises InvalidValue."""
    host, _, rest = text.partition("/")
    try:
        if not rest and ("." in host or ":" in host or host == "localhost"):
            return Repositories(parse_registry(host))
        reference = Reference.parse(text, default_tag=None)
    except InvalidValue as error:
        raise InvalidValue(f"{error} (name a registry, or a repository)") from None
    if reference.scheme == "ocidir":
        raise InvalidValue(f"{text} is a layout folder (name a registry, or a repository)")
    if reference.tag or reference.digest:
        raise InvalidValue(f"{text} is an image (leave the tag and the digest out)")
    return Repositories(reference.registry, (Pattern.parse(reference.repository),))
