"""What the source, the target and a backup of a sync are, by their names and its type."""

from __future__ import annotations

from collections.abc import Mapping

from regbot.config.document import Mistake
from regbot.config.template import render
from regbot.config.values import Repositories
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference, parse_registry
from regbot.oci.tag import Tag
from regbot.sync.rules import fields_of


def source_of(kind: str, name: str) -> Reference | None:
    """The image or repository that is copied; None for a registry. Raises InvalidValue."""
    if kind == "registry":
        parse_registry(name)
        return None
    return _place_of(kind, name)


def target_of(kind: str, name: str) -> Reference:
    """Where something is copied to, the first of many for a registry. Raises InvalidValue."""
    if kind == "registry":
        return Reference.parse(f"{name}/repository", default_tag=None)
    return _place_of(kind, name)


def place_of_backup(template: str, target: Reference, environment: Mapping[str, str]) -> Reference:
    """Where what is at a target is copied to before it is replaced.

    A text with a colon or a slash is a whole reference, any other a tag beside the target's.
    Raises InvalidValue, also for what is the target itself.
    """
    try:
        text = render(template, environment, fields=fields_of(target)).strip()
    except Mistake as error:
        raise InvalidValue(f"backup: {error}") from None
    is_whole = bool(set(text) & {":", "/"})
    backup = Reference.parse(text) if is_whole else target.with_tag(Tag.parse(text))
    if backup == target:
        raise InvalidValue(f"backup: it would be {target} itself (write another tag)")
    return backup


def repositories_of(
    kind: str, source: str, **patterns: tuple[Pattern, ...]
) -> tuple[Repositories, ...]:
    """The repositories of a source that is a registry, which has to be asked for them."""
    return (Repositories(parse_registry(source), **patterns),) if kind == "registry" else ()


def kind_of_source(name: str) -> str:
    """What is copied, by the name of the source. Raises InvalidValue."""
    host = name.partition(":")[0]
    if "/" not in name and ("." in host or host == "localhost" or name.startswith("[")):
        return "registry"
    reference = Reference.parse(name, default_tag=None)
    return "repository" if reference.without_name == reference else "image"


def _place_of(kind: str, name: str) -> Reference:
    if kind == "image":
        return Reference.parse(name)
    reference = Reference.parse(name, default_tag=None)
    if reference.without_name != reference:
        raise InvalidValue(
            f"{name} has a tag, and a repository is needed (leave the tag out, or copy one image)"
        )
    return reference
