"""Patterns of tags and of repositories. A glob that can fit none of them is a mistake.

It would fit nothing without a word, and what it should keep would be deleted. Regular
expressions are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters, ascii_lowercase, digits
from typing import TypeVar

from regbot.config.document import ListNode, Mistake, shown
from regbot.config.fields import text_of
from regbot.config.section import Kind, Listing, Value
from regbot.config.shapes import list_of, shaped, text
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern, can_be
from regbot.oci.reference import Reference, names_of_registry, parse_registry
from regbot.plan.guard import Protection

_T = TypeVar("_T")

_IN_TAGS = ascii_letters + digits + "_.-"
_BEGINS_TAGS = ascii_letters + digits + "_"
_IN_REPOSITORIES = ascii_lowercase + digits + "_.-/"
_ENDS_OF_REPOSITORIES = ascii_lowercase + digits


@shaped(text("latest", "v*"))
def protection_of(value: Value) -> Protection:
    """A pattern of tags that are protected, or of references.

    The name of a layout folder in a reference may hold nearly everything, so only what comes
    last has to be a tag.
    """
    protection = _parsed(value, Protection.parse)
    pattern = protection.pattern
    if pattern.is_plain and "/" in pattern.text and ":" not in pattern.text.rpartition("/")[2]:
        raise Mistake(f"{shown(pattern.text)} names no tag (write {pattern.text}:*)")
    _refuse_braces(pattern, "tag")
    ends = [number for number, part in enumerate(pattern.parts, 1) if part in "/:"]
    _require(pattern.parts[max(ends, default=0) :], _IN_TAGS, pattern, "tag")
    return protection


@shaped(list_of(text("latest", "v*"), least=1))
def tag_patterns_of(value: Value) -> tuple[Pattern, ...]:
    """A list of patterns of tags. An empty list, which would mean all, is an error."""
    return _listed(value, _tags_of)


def repository_patterns_of(registry: str) -> Kind[tuple[Pattern, ...]]:
    """The kind of a list of patterns of repositories, by their names in a registry."""
    return lambda value: _listed(value, lambda item: _repositories_of(item, registry))


def _listed(value: Value, kind: Kind[Pattern]) -> tuple[Pattern, ...]:
    patterns = Listing(kind, unique=True)(value)
    if isinstance(value.node, ListNode) and not value.node.items:
        raise Mistake("the list is empty (write a pattern, or remove the key)")
    return patterns


def _parsed(value: Value, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(text_of(value))
    except InvalidValue as error:
        raise Mistake(f"{error} (write a glob such as v*, or regex:...)") from None


def _tags_of(value: Value) -> Pattern:
    pattern = _parsed(value, Pattern.parse)
    _refuse_braces(pattern, "tag")
    _require(pattern.parts, _IN_TAGS, pattern, "tag")
    _require(pattern.parts[:1], _BEGINS_TAGS, pattern, "tag", "at the beginning of")
    return pattern


def _repositories_of(value: Value, registry: str) -> Pattern:
    pattern = _parsed(value, Pattern.parse)
    host, slash, _ = pattern.text.partition("/")
    if slash and _is_registry(host, registry):
        text = f"{shown(pattern.text)} fits no repository of {registry}"
        raise Mistake(f"{text}, whose names don't begin with it (leave the registry out)")
    _refuse_braces(pattern, "repository")
    parts = pattern.parts
    _require(parts, _IN_REPOSITORIES, pattern, "repository")
    _require(parts[:1], _ENDS_OF_REPOSITORIES, pattern, "repository", "at the beginning of")
    _require(parts[-1:], _ENDS_OF_REPOSITORIES, pattern, "repository", "at the end of")
    return _complete(registry, pattern)


def _is_registry(host: str, registry: str) -> bool:
    """Whether the first part of a pattern is the name of the registry itself."""
    if not ("." in host or ":" in host or host == "localhost"):
        return False
    try:
        return parse_registry(host.lower()) in names_of_registry(registry.lower())
    except InvalidValue:
        return False


def _complete(registry: str, pattern: Pattern) -> Pattern:
    """A repository's name as the registry has it; other patterns stay as they are."""
    if not pattern.is_plain:
        return pattern
    try:
        reference = Reference.parse(f"{registry}/{pattern.text}", default_tag=None)
    except InvalidValue as error:
        raise Mistake(f"{error} (name a repository of the registry)") from None
    return Pattern.parse(reference.repository)


def _refuse_braces(pattern: Pattern, noun: str) -> None:
    if {"{", "}"} & set(pattern.parts):
        text = f"{shown(pattern.text)} fits no {noun}, because globs have no {{a,b}}"
        raise Mistake(f"{text} (write two patterns)")


def _require(
    parts: tuple[str, ...], characters: str, pattern: Pattern, noun: str, where: str = "in"
) -> None:
    """Raise Mistake where a part of a glob fits none of the characters that may be there."""
    wrong = next((part for part in parts if not can_be(part, characters)), None)
    if wrong is not None:
        text = f"{shown(pattern.text)} fits no {noun}, because {shown(wrong)} can't be {where} one"
        raise Mistake(f"{text} ({_advice(wrong, noun)})")


def _advice(wrong: str, noun: str) -> str:
    if noun == "tag":
        return "write the tag alone" if wrong in "/:@" else "write a glob such as v*"
    if wrong in ":@":
        return "leave the registry, the tag and the digest out"
    return "write it in lower case" if wrong.isupper() else "write a glob such as team/*"
