"""References of scripts on their way in and out, and the types that take them."""

from __future__ import annotations

from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.binding import NAME_LIMIT, STRING, Passed, Type, describe
from regbot.oci.patterns import Pattern
from regbot.oci.reference import DEFAULT_TAG, Reference, parse_registry
from regbot.oci.tag import Tag

OBJECT_KINDS = ("reference", "manifest", "config", "blob")

NAMED = "string|regbot.Reference|regbot.Manifest|regbot.Config|regbot.Blob"
"""What stands for a reference, in LuaLS' words."""


def give_reference(reference: Reference) -> Passed:
    """A reference for the script."""
    return Passed("reference", _fields(reference))


def update_reference(reference: Reference) -> Passed:
    """What the script's own reference becomes."""
    return Passed("update", _fields(reference))


def _fields(reference: Reference) -> dict[str, str]:
    return {"text": str(reference)}


def read_reference(passed: Passed, *, default_tag: Tag | None = DEFAULT_TAG) -> Reference:
    """The reference that a text is, or that an object stands for. Raises InvalidValue."""
    if passed.kind in OBJECT_KINDS:
        return Reference.parse(passed.value["text" if passed.kind == "reference" else "reference"])
    text: Any = passed.value
    if passed.kind or not isinstance(text, str):
        raise InvalidValue(f"expected a reference, got {describe(passed)}")
    if len(text) > NAME_LIMIT:
        raise InvalidValue(f"a reference of {len(text)} characters is too long")
    return Reference.parse(text, default_tag=default_tag)


def _read_tagged(passed: Passed) -> Reference:
    reference = read_reference(passed, default_tag=None)
    if not reference.tag:
        raise InvalidValue(f"{reference} names no tag")
    return reference


def _read_registry(passed: Passed) -> str:
    if passed.kind or not isinstance(passed.value, str):
        raise InvalidValue(f"expected a registry's host name, got {describe(passed)}")
    return parse_registry(passed.value)


def _read_patterns(passed: Passed) -> tuple[Pattern, ...]:
    values = [passed.value] if isinstance(passed.value, str) else passed.value or []
    if passed.kind or not isinstance(values, list):
        raise InvalidValue(f"expected an array of regular expressions, got {describe(passed)}")
    return tuple(Pattern.of_expression(STRING.read(Passed("", value))) for value in values)


def _repository_of(reference: Reference) -> str:
    return str(reference.without_name)


REPOSITORY = Type("reference", read_reference, NAMED, subject=_repository_of)
REFERENCE = Type("reference", read_reference, NAMED, subject=str)
TAGGED = Type("reference with a tag", _read_tagged, NAMED, subject=str)
PATTERNS = Type("array of regular expressions", _read_patterns, "string[]")
REGISTRY = Type("registry", _read_registry, "string", subject=str)
